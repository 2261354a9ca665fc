"""Forks children that live for a moment, some at a time, each of which handles a signal."""

import os
import signal
import time

import protocol

CHILDREN, AT_A_TIME = 200, 8


def live():
    seen = []
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    time.sleep(0.06)
    os.kill(os.getpid(), signal.SIGUSR1)
    os._exit(0 if seen == [signal.SIGUSR1] else 1)


protocol.ready()
children, failed = [], 0
for _ in range(CHILDREN):
    child = os.fork()
    if not child:
        live()
    children.append(child)
    if len(children) > AT_A_TIME:
        failed += os.waitpid(children.pop(0), 0)[1] != 0
for child in children:
    failed += os.waitpid(child, 0)[1] != 0
protocol.report({"children": CHILDREN, "failed": failed})
protocol.stay()
