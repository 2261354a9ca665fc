"""Computes beside children that wake up all the time: whose switches find no room in a small table."""

import os
import signal
import time

import protocol

CHILDREN = 24
SECONDS = 3


def compute(until):
    while time.monotonic() < until:
        pass


def doze():
    while True:
        time.sleep(0.002)


protocol.ready()
children = []
for _ in range(CHILDREN):
    child = os.fork()
    if child == 0:
        doze()
    children.append(child)
began = time.thread_time_ns()
compute(time.monotonic() + SECONDS)
on_cpu = time.thread_time_ns() - began
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
protocol.report({"on_cpu_ns": on_cpu})
protocol.stay()
