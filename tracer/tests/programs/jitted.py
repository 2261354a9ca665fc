"""Spends CPU time in functions that the JIT compiles, and sleeps below such a one: `PYTHON_JIT=1 python jitted.py SECONDS`."""

import sys
import time

import protocol


def counts(turns):
    x = 0
    for i in range(turns):
        x += i * 3 & 7
    return x


def called(x):
    return (x ^ 3) + (x & 7) + (x | 1) + (x ^ 5) + (x * 3 & 15)


def calls(turns):
    x = total = 0
    while x < turns:
        total += called(x)
        x += 1
    return total


def generates(turns):
    for i in range(turns):
        yield i * 2


def iterates(turns):
    total = 0
    for x in generates(turns):
        total += x
    return total


def sleeps(depth):
    if depth:
        sleeps(depth - 1)
    else:
        time.sleep(0.001)


WORK = {counts: 500000, calls: 200000, iterates: 400000}
clocks = dict.fromkeys(WORK, 0.0)
protocol.ready()
while sum(clocks.values()) < float(sys.argv[1]):
    for work, turns in WORK.items():
        began = time.thread_time()
        work(turns)
        clocks[work] += time.thread_time() - began
    sleeps(200)
protocol.report({"jit": sys._jit.is_enabled(), "seconds": {work.__qualname__: clocks[work] for work in WORK}})
protocol.stay()
