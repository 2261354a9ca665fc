"""One helper, called by two functions at known shares, one of which waits for longer: ROUNDS, and work in between."""

import os
import random
import sys
import time

import protocol

DEPTH = 30


def helper(fd, seconds):
    time.sleep(seconds)
    return os.read(fd, 16)


def often(fd):
    return helper(fd, 0.00005)


def seldom(fd):
    return helper(fd, 0.0004)


def below(depth, caller, fd):
    return below(depth - 1, caller, fd) if depth else caller(fd)


def call(caller, fd):
    began = time.monotonic()
    read = below(DEPTH, caller, fd)
    calls[caller.__name__] += 1
    waited[caller.__name__] += time.monotonic() - began
    return len(read)


rounds, steps = int(sys.argv[1]), int(sys.argv[2])
calls, waited, size = {"often": 0, "seldom": 0}, {"often": 0.0, "seldom": 0.0}, 0
fd = os.open("/dev/zero", os.O_RDONLY)
protocol.ready()
for _ in range(rounds):
    size += call(often if random.random() < 0.7 else seldom, fd)
    for _ in range(steps):
        pass
    if not steps:
        time.sleep(0.02)
protocol.report({"calls": calls, "waited": waited, "bytes": size})
protocol.stay()
