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
added = []


def crunch(count):
    sum(range(count))


def grind(count):
    sum(range(count))


def emit():
    os.write(devnull, b".")


def some(count):
    return int(count * random.uniform(1 / 3, 5 / 3))


def work():
    crunched = ground = 0
    # Of the kernel's clocks this one takes no system call, at whose end a busy machine would take the CPU away.
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        more, less = some(CRUNCHED), some(GROUND)
        crunch(more)
        grind(less)
        emit()
        crunched, ground = crunched + more, ground + less
    added.append((crunched, ground))


told.ready()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
# A number takes the same time at either line.
numbers = [sum(column) for column in zip(*added)] + [0]
told.tell([{"frame": told.only_line(line), "numbers": n} for line, n in zip((crunch, grind, emit), numbers)])
told.stay()
