"""A process in a state that few are in. It works all the time, and answers."""

import ctypes
import os
import sys
import tempfile
import threading
import time

import protocol

libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def for_ever(step):
    def work():
        while True:
            step()
            time.sleep(0.001)

    threading.Thread(target=work, daemon=True).start()


def headless():
    """Its main thread ends: the others live on, and answer."""
    threading.Thread(target=answer).start()
    libc.pthread_exit(None)


def loading():
    """Loads and unloads libraries without pause."""
    libc.dlopen.restype = ctypes.c_void_p
    names = [b"libutil.so.1", b"libresolv.so.2", b"libnsl.so.1", b"libanl.so.1", b"libBrokenLocale.so.1"]

    def step():
        for name in names:
            library = libc.dlopen(name, 2)
            if library:
                libc.dlclose(ctypes.c_void_p(library))

    for_ever(step)


def covered():
    """Where its executable is, there is a named pipe by now that nobody writes to."""
    check(libc.unshare(0x20000))  # CLONE_NEWNS
    check(libc.mount(b"none", b"/", None, 1 << 14 | 1 << 18, None))  # recursive, private
    folder = tempfile.mkdtemp()
    pipe = os.path.join(folder, "pipe").encode()
    os.mkfifo(pipe)
    check(libc.mount(pipe, os.path.realpath(sys.executable).encode(), None, 4096, None))  # MS_BIND


def locked():
    """Another user's, and may not be dumped."""
    os.setgid(65534)
    os.setuid(65534)
    check(libc.prctl(4, 0, 0, 0, 0))  # PR_SET_DUMPABLE


def paged_out():
    """Has its pages taken away again and again."""
    with open("/proc/self/maps") as maps:
        ranges = [[int(end, 16) for end in line.split()[0].split("-")] for line in maps if "[v" not in line]

    def step():
        for start, end in ranges:
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), 21)  # MADV_PAGEOUT

    for_ever(step)


def forgetful():
    """Executes ever new functions, which are gone afterwards."""
    count = iter(range(1 << 30))

    def step():
        scope = {}
        exec("def function_%d():\n    return sum(range(1000))\nfunction_%d()" % ((next(count),) * 2), scope)

    for_ever(step)


def ordinary():
    """Somebody else makes it odd."""


def answer():
    protocol.ready()
    protocol.report(os.getpid())
    protocol.stay()
    os._exit(0)


for_ever(lambda: sum(range(1000)))
globals()[sys.argv[1]]()
answer()
