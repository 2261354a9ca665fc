"""Spends a known share of its CPU time in each of four functions."""

import sys
import time

import protocol


def half(turns):
    x = 0
    for _ in range(turns):
        x += 1
    return x


def third(turns):
    x = 0
    for _ in range(turns):
        x += 1
    return x


def seventh(turns):
    x = 0
    for _ in range(turns):
        x += 1
    return x


def rest(turns):
    x = 0
    for _ in range(turns):
        x += 1
    return x


SHARES = {half: 50, third: 30, seventh: 15, rest: 5}
TURNS_PER_SHARE = 4000
clocks = dict.fromkeys(SHARES, 0.0)
turn_times = []
rounds = 0
protocol.ready()
while sum(clocks.values()) < float(sys.argv[1]):
    for work, share in SHARES.items():
        started = time.thread_time()
        work(share * TURNS_PER_SHARE)
        taken = time.thread_time() - started
        clocks[work] += taken
        if work is rest:
            turn_times.append(taken / (share * TURNS_PER_SHARE))
    rounds += 1
turns = {work.__qualname__: rounds * share * TURNS_PER_SHARE for work, share in SHARES.items()}
# Of the shortest function, so that a host which takes the CPU away for a moment hits few of its calls. Where it is slow itself,
# with caches that others have used, all turns together took less.
usual = sorted(turn_times)[len(turn_times) // 2]
mean = sum(clocks.values()) / sum(turns.values())
protocol.report({"turns": turns, "usual_turn_s": min(usual, mean)})
protocol.stay()
