"""Forks many children that exit at once."""

import os

import told

CHILDREN = 1_000

told.ready()
for _ in range(CHILDREN):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
told.tell(CHILDREN)
told.stay()
