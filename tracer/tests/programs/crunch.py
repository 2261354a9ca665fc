"""Three threads compute, at two lines, and give the GIL away at a third: python crunch.py SECONDS. The thread that computes
keeps the others waiting; the line that gives the GIL away does not."""

import os
import random
import sys
import threading
import time

import told

SECONDS = float(sys.argv[1])
# Numbers that a line adds up, from a third to three times as many at random: no clock keeps step with it.
CRUNCHED, GROUND = 40000, 15000

devnull = os.open(os.devnull, os.O_WRONLY)
spent = {}


def crunch(count):
    sum(range(count))


def grind(count):
    sum(range(count))


def emit():
    os.write(devnull, b".")


def cpu():
    return time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)


def some(count):
    return int(count * random.uniform(1 / 3, 5 / 3))


def work():
    crunched = ground = emitted = 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        begin = cpu()
        crunch(some(CRUNCHED))
        between = cpu()
        grind(some(GROUND))
        after = cpu()
        emit()
        crunched, ground, emitted = crunched + between - begin, ground + after - between, emitted + cpu() - after
    spent[told.tid()] = (crunched, ground, emitted)


told.ready()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
lines = zip((crunch, grind, emit), zip(*spent.values()))
told.tell([{"frame": told.only_line(line), "cpu_s": sum(seconds)} for line, seconds in lines] + [{"frame": told.only_line(cpu), "cpu_s": 0}])
told.stay()
