"""Forks children that live long enough to be worth probes, and then collect garbage, all at the same time."""

import gc
import os
import time

import protocol

CHILDREN, COLLECTIONS = 40, 3


def collect(gate):
    os.read(gate, 1)
    for _ in range(COLLECTIONS):
        gc.collect()
    os._exit(0)


gc.disable()
protocol.ready()
reader, writer = os.pipe()
children = []
for _ in range(CHILDREN):
    child = os.fork()
    if not child:
        os.close(writer)
        collect(reader)
    children.append(child)
time.sleep(1)
os.close(writer)
for child in children:
    os.waitpid(child, 0)
protocol.report({"children": children, "collections": COLLECTIONS})
protocol.stay()
