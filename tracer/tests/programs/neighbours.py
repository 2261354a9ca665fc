"""`reads` reads now and then, for so many seconds, and tells how often; `calls` makes system calls that are no reads, as
fast as it can, until it is ended."""

import os
import sys
import time

import told


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


told.ready()
if sys.argv[1] == "calls":
    calls()
told.tell({"calls": reads(float(sys.argv[2]))})
told.stay()
