"""Threads, one after another, that each wait twice for events: python waiters.py THREADS."""

import select
import sys
import threading

import protocol

THREADS = int(sys.argv[1])


def wait():
    with select.epoll() as events:
        events.poll(0)
        events.poll(0)


protocol.ready()
for _ in range(THREADS):
    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()
protocol.report({"threads": THREADS})
protocol.stay()
