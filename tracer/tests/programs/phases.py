"""Computes in one function and then in another, four seconds each, beside a thread that reads."""

import os
import threading
import time

import protocol

over = threading.Event()


def first(until):
    while time.monotonic() < until:
        sum(range(1000))


def second(until):
    while time.monotonic() < until:
        sum(range(1000))


def reader():
    with open("/proc/self/comm", "rb", buffering=0) as comm:
        protocol.report(protocol.tid())
        while not over.is_set():
            os.pread(comm.fileno(), 16, 0)
            time.sleep(0.005)


protocol.ready()
thread = threading.Thread(target=reader)
thread.start()
began = time.monotonic()
first(began + 4)
second(began + 8)
over.set()
thread.join()
