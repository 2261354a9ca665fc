"""Threads that compute and do nothing else: whenever one sleeps, it waits for the GIL."""

import threading
import time

import told

THREADS = 3
SECONDS = 3


def spin(until):
    while time.monotonic() < until:
        pass


def voluntary():
    return told.switches(threading.get_native_id())[0]


def work(truth):
    before = voluntary()
    spin(time.monotonic() + SECONDS)
    truth.append(voluntary() - before)


told.ready()
truth = []
threads = [threading.Thread(target=work, args=[truth]) for _ in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
told.tell({"waits": sum(truth)})
told.stay()
