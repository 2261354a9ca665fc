"""Forks children that live long enough to be watched, and then handle signals, all at the same time."""

import os
import signal
import time

import protocol

CHILDREN, SIGNALS = 40, 5


def handle(gate):
    seen = []
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    os.read(gate, 1)
    for _ in range(SIGNALS):
        os.kill(os.getpid(), signal.SIGUSR1)
    os._exit(0 if len(seen) == SIGNALS else 1)


protocol.ready()
reader, writer = os.pipe()
children = []
for _ in range(CHILDREN):
    child = os.fork()
    if not child:
        os.close(writer)
        handle(reader)
    children.append(child)
time.sleep(1)
os.close(writer)
failed = [child for child in children if os.waitpid(child, 0)[1] != 0]
protocol.report({"children": children, "failed": failed, "signals": SIGNALS})
protocol.stay()
