"""Works, has children that come and go, and answers: what it has counted has to add up in every report."""

import os
import signal
import threading
import time

import protocol

over = threading.Event()
failed = []


def key(number):
    return -number


def compute():
    numbers = list(range(200))
    while not over.is_set():
        if sorted(numbers, key=key) != numbers[::-1]:
            failed.append("a sum is wrong")
        time.sleep(0.001)


def live():
    seen = []
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    time.sleep(0.03)
    os.kill(os.getpid(), signal.SIGUSR1)
    os._exit(0 if seen == [signal.SIGUSR1] else 1)


def breed():
    while not over.is_set():
        child = os.fork()
        if not child:
            live()
        _, status = os.waitpid(child, 0)
        if status:
            failed.append("a child ended with %d" % status)
        time.sleep(0.02)


signal.signal(signal.SIGUSR1, lambda number, frame: None)
threads = [threading.Thread(target=work, daemon=True) for work in (compute, breed)]
for thread in threads:
    thread.start()
protocol.ready()
protocol.report(os.getpid())
protocol.stay()
over.set()
for thread in threads:
    thread.join()
if failed:
    raise SystemExit(failed[0])
