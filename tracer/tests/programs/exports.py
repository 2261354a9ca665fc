"""A little of everything that a report has: two threads that compute, reads, a child, a signal."""

import os
import signal
import subprocess
import threading
import time

import protocol

SECONDS = 0.5
READS = 200


def spin(until):
    while time.monotonic() < until:
        pass


def read():
    file = os.open("/proc/self/stat", os.O_RDONLY)
    for _ in range(READS):
        os.pread(file, 16, 0)
    os.close(file)


signal.signal(signal.SIGUSR1, signal.SIG_IGN)
protocol.ready()
threads = [threading.Thread(target=spin, args=[time.monotonic() + SECONDS]) for _ in range(2)]
for thread in threads:
    thread.start()
read()
os.kill(os.getpid(), signal.SIGUSR1)
subprocess.run(["true"], check=True)
for thread in threads:
    thread.join()
protocol.report({"reads": READS})
