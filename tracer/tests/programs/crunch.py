"""Three threads compute, at two lines, and give the GIL away at a third: python crunch.py ROUNDS. The thread that computes
keeps the others waiting; the line that gives the GIL away does not.

Numbers say how long each line ran. How long it held the GIL its own clock says: that is longer by what it was preempted
for, at whatever line."""

import os
import random
import sys
import threading
import time
from itertools import chain, starmap

import protocol

# Numbers that a line adds up, from a third to three times as many at random: no clock keeps step with it.
CRUNCHED, GROUND = 40000, 15000

devnull = os.open(os.devnull, os.O_WRONLY)
rounds = iter(range(int(sys.argv[1])))  # for all threads together, so that they end together
added = []


def crunch(numbers):
    sum(numbers)


def grind(numbers):
    sum(numbers)


def emit():
    os.write(devnull, b".")


class Line:
    """What one line of one thread has done."""

    def __init__(self):
        self.numbers, self.began, self.ended = 0, [], []

    def some(self, count):
        """Numbers, and the time before the first and after the last. All of it is C, which does not give the GIL away; nor
        does this clock take a system call."""
        count = int(count * random.uniform(1 / 3, 5 / 3))
        self.numbers += count
        return chain(stamp(self.began), range(count), stamp(self.ended))

    def held_ns(self):
        return int(1e9 * sum(ended - began for began, ended in zip(self.began, self.ended)))


def stamp(times):
    """Has no elements, and notes when that is found out."""
    return filter(None, starmap(times.append, zip(starmap(time.monotonic, [()]))))


def work():
    crunched, ground = Line(), Line()
    for _ in rounds:
        more, less = crunched.some(CRUNCHED), ground.some(GROUND)
        crunch(more)
        grind(less)
        emit()
    added.append((crunched, ground))


def truth(function, lines):
    numbers, held = sum(line.numbers for line in lines), sum(line.held_ns() for line in lines)
    return {"frame": protocol.only_line(function), "numbers": numbers, "held_ns": held}


protocol.comes_first()
protocol.ready()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
# A number takes the same time at either line.
protocol.report([truth(*line) for line in zip((crunch, grind, emit), list(zip(*added)) + [()])])
protocol.stay()
