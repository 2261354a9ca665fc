"""Collects garbage hundreds of times a second, in several threads, and prints what its collector has counted."""

import gc
import sys
import threading
import time

import protocol


def collect(generation):
    for _ in range(3):
        cycle = []
        cycle.append(cycle)
    del cycle
    gc.collect(generation)


def counts():
    return [[of["collections"], of["collected"]] for of in gc.get_stats()]


def collect_young(end):
    while time.time() < end:
        collect(0)
        time.sleep(0.001)


gc.disable()
before = counts()
protocol.ready()
end = time.time() + float(sys.argv[1])
others = [threading.Thread(target=collect_young, args=(end,)) for _ in range(3)]
for other in others:
    other.start()
turn = 0
while time.time() < end:
    turn += 1
    collect(2 if turn % 100 == 0 else 1 if turn % 10 == 0 else 0)
    time.sleep(0.001)
for other in others:
    other.join()
counted = [[now - then for now, then in zip(*both)] for both in zip(counts(), before)]
protocol.report(counted)
protocol.stay()
