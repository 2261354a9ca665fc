"""Collects garbage hundreds of times a second, and tells what its collector has counted."""

import gc
import sys
import time

import told


def collect(generation):
    for _ in range(3):
        cycle = []
        cycle.append(cycle)
    del cycle
    gc.collect(generation)


def counts():
    return [[of["collections"], of["collected"]] for of in gc.get_stats()]


gc.disable()
before = counts()
told.ready()
end = time.time() + float(sys.argv[1])
turn = 0
while time.time() < end:
    turn += 1
    collect(2 if turn % 100 == 0 else 1 if turn % 10 == 0 else 0)
    time.sleep(0.001)
counted = [[now - then for now, then in zip(*both)] for both in zip(counts(), before)]
told.tell(counted)
told.stay()
