"""Has the interpreter make arguments in C as fast as it can, for other calls than a handler's; then handles a signal.
With `storm` it handles signals as fast as it can instead."""

import math
import os
import signal
import sys
import time

import protocol

handled = []


def storm():
    os.kill(os.getpid(), signal.SIGUSR2)


def other_calls():
    math.modf(1.5)


signal.signal(signal.SIGUSR1, lambda number, frame: handled.append(number))
signal.signal(signal.SIGUSR2, lambda number, frame: None)
work = storm if "storm" in sys.argv else other_calls
protocol.ready()
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    for _ in range(1000):
        work()
os.kill(os.getpid(), signal.SIGUSR1)
protocol.report({"handled": len(handled)})
protocol.stay()
