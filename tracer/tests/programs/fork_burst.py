"""Forks many children that exit at once."""

import os

import protocol

CHILDREN = 1_000

protocol.ready()
for _ in range(CHILDREN):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
protocol.report(CHILDREN)
protocol.stay()
