"""Processes that each fork two more, to a depth, and wait for them."""

import os

import protocol

DEPTH = 10


def explode(depth):
    children = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            if depth > 1:
                explode(depth - 1)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


protocol.ready()
explode(DEPTH)
protocol.report(2 ** (DEPTH + 1) - 2)
protocol.stay()
