"""Threads, one after another, that each wait twice for events: python waiters.py THREADS."""

import select
import sys
import threading

import told

THREADS = int(sys.argv[1])


def wait():
    with select.epoll() as events:
        events.poll(0)
        events.poll(0)


told.ready()
for _ in range(THREADS):
    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()
told.tell({"threads": THREADS})
told.stay()
