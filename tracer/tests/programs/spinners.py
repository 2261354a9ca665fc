"""Threads that compute and do nothing else: whenever one sleeps, it waits for the GIL. With the argument `switched-on` a
build without GIL has one, too."""

import sys
import threading
import time

import protocol

THREADS = 3
SECONDS = 2


def spin(until):
    while time.monotonic() < until:
        pass


def voluntary():
    return protocol.switches(protocol.tid())[0]


def work(truth):
    before = voluntary()
    spin(time.monotonic() + SECONDS)
    truth.append(voluntary() - before)


if sys.argv[1:] == ["switched-on"]:
    import needs_gil

    assert needs_gil.switch_on()
protocol.ready()
truth, used = [], time.process_time()
threads = [threading.Thread(target=work, args=[truth]) for _ in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
protocol.report({"waits": sum(truth), "cpu_ns": int(1e9 * (time.process_time() - used))})
protocol.stay()
