/* Looks like CPython 3.13 with four threads, until it is asked to go: then all that it has in memory of interpreters,
 * threads, frames, code and names is written over at random, some ten thousand times a second, and made good again. It
 * lives, and answers. https://github.com/python/cpython/blob/v3.13.0/Include/internal/pycore_runtime.h */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 4, FRAMES = 200, SLOT = 256, SLOTS = 4096, HEAD = 592, INTERPRETER = 1, STATES = 2, GIL = 8,
       CODES = 16, NAMES = 32, LINES = 48, FIRST_FRAME = 64 };

/* What a debugger reads first: where each field lies, as byte positions of this struct. */
struct { union { uint8_t bytes[1024]; uint64_t words[128]; }; } _PyRuntime __attribute__((section(".PyRuntime")));
static uint8_t arena[SLOTS][SLOT] __attribute__((aligned(4096)));
static pthread_t ids[THREADS];
static pid_t tids[THREADS];
static volatile int lies;
static uint64_t state = 1;

static void word(void *at, int offset, uint64_t value) { memcpy((uint8_t *)at + offset, &value, 8); }
static uint64_t slot(int number) { return (uint64_t)arena[number]; }

static void name(int at, const char *text) {
    memset(arena[at], 0, SLOT);
    word(arena[at], 16, strlen(text));
    word(arena[at], 32, 1 << 2 | 1 << 5 | 1 << 6); /* kind 1, compact, ASCII */
    strcpy((char *)arena[at] + 40, text);
}

/* The truth: four threads, each two hundred frames deep. */
static void truth(void) {
    static const struct { int at; uint64_t value; } fields[] = {
        {40, HEAD}, {64, 8}, {72, 16}, {80, 64}, {112, 24}, {168, 8}, {184, 24}, {192, 32}, {200, 40}, {232, 8},
        {240, 0}, {248, 16}, {264, 24}, {280, 112}, {296, 128}, {304, 136}, {312, 68}, {344, 192}, {352, 16},
        {528, 32}, {560, 40}, {576, 72},
    };
    memcpy(_PyRuntime.bytes, "xdebugpy", 8);
    word(_PyRuntime.bytes, 8, 0x030d00f0);
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++) word(_PyRuntime.bytes, fields[i].at, fields[i].value);
    word(_PyRuntime.bytes, HEAD, slot(INTERPRETER));
    word(arena[INTERPRETER], 8, 0);
    word(arena[INTERPRETER], 16, slot(STATES));
    word(arena[INTERPRETER], 24, slot(GIL));
    for (int i = 0; i < THREADS; i++) {
        uint8_t *thread = arena[STATES + i];
        word(thread, 8, i + 1 < THREADS ? slot(STATES + i + 1) : 0);
        word(thread, 24, slot(FIRST_FRAME + i * FRAMES));
        word(thread, 32, (uint64_t)ids[i]);
        word(thread, 40, tids[i]);
        for (int j = 0; j < FRAMES; j++) {
            uint8_t *frame = arena[FIRST_FRAME + i * FRAMES + j];
            word(frame, 0, slot(CODES + j % 16));
            word(frame, 8, j + 1 < FRAMES ? slot(FIRST_FRAME + i * FRAMES + j + 1) : 0);
            word(frame, 16, slot(CODES + j % 16) + 194);
            word(frame, 24, 0);
        }
    }
    for (int i = 0; i < 16; i++) {
        word(arena[CODES + i], 112, slot(NAMES + i));
        word(arena[CODES + i], 128, slot(NAMES + i));
        word(arena[CODES + i], 136, slot(LINES + i));
        word(arena[CODES + i], 68, 7 + i);
        name(NAMES + i, "a_function_of_the_liar");
        word(arena[LINES + i], 16, 3);
        memcpy(arena[LINES + i] + 32, "\xd9\0\0", 3);
    }
}

static uint64_t next(void) { return (state = state * 6364136223846793005u + 1442695040888963407u) >> 20; }

/* A pointer to anywhere in there, to nowhere, a length beyond all bounds, or nothing. */
static uint64_t lie(void) {
    switch (next() % 6) {
    case 0: return 0;
    case 1: return next() << 20 ^ next();
    case 2: return 1ull << (next() % 64);
    case 3: return (uint64_t)-(int64_t)(next() % 4096);
    default: return slot(next() % 1024) + next() % SLOT;
    }
}

static void *write_lies(void *unused) {
    for (;; usleep(100)) {
        if (!lies) continue;
        for (int i = 0; i < 40; i++) word(arena[next() % 900], next() % (SLOT - 8), lie());
        if (next() % 4 == 0) word(_PyRuntime.bytes, 8 * (next() % 73), lie());
        if (next() % 8 == 0) truth();
    }
    return unused;
}

static void *live(void *at) {
    int which = (int)(intptr_t)at;
    ids[which] = pthread_self();
    tids[which] = gettid();
    for (;;) usleep(300);
    return at;
}

int main(void) {
    pthread_t thread;
    ids[0] = pthread_self();
    tids[0] = getpid();
    for (int i = 1; i < THREADS; i++) pthread_create(&thread, NULL, live, (void *)(intptr_t)i);
    while (!tids[1] || !tids[2] || !tids[3]) usleep(100);
    truth();
    pthread_create(&thread, NULL, write_lies, NULL);
    printf("ready %d\n", getpid());
    fflush(stdout);
    char line[64];
    for (int is_asked = 0; fgets(line, sizeof line, stdin); is_asked = 1) {
        lies = 1;
        puts(is_asked ? "still here" : "true");
        fflush(stdout);
    }
    return 0;
}
