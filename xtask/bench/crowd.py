"""Processes that work a little and sleep: python crowd.py COUNT. They say who they are."""

import os
import sys
import time
from work import measured


def work():
    for i in range(2_000):
        i * i


def live():
    while True:
        work()
        time.sleep(0.05)


parent = os.getpid()
children = []
for _ in range(int(sys.argv[1])):
    child = os.fork()
    if not child:
        live()
    children.append(child)
print("pids", *children, flush=True)


def step():
    time.sleep(0.01)
    return 1


try:
    measured(step)
finally:
    for child in children:
        os.kill(child, 9)
