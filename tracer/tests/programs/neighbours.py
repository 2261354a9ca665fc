"""`reads` reads now and then, for so many seconds, and prints how often; `calls` makes system calls that are no reads, as
fast as it can, until it is ended."""

import os
import sys
import time

import protocol


def reads(seconds):
    fd = os.open("/dev/zero", os.O_RDONLY)
    end = time.monotonic() + seconds
    calls = 0
    while time.monotonic() < end:
        os.read(fd, 16)
        calls += 1
        time.sleep(0.001)
    return calls


def calls():
    while True:
        os.getppid()


protocol.ready()
if sys.argv[1] == "calls":
    calls()
protocol.report({"calls": reads(float(sys.argv[2]))})
protocol.stay()
