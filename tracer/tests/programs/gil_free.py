"""One thread gives the GIL away and computes without it, on the CPU that the thread that then wants it has to wait for."""

import os
import threading
import time
import zlib

import protocol

ROUNDS = 150

data = os.urandom(200000)


def compress():
    zlib.compress(data)


def compute():
    while not done: pass  # one line, for a thread may lose its CPU anywhere in the loop


os.sched_setaffinity(0, {0})
done = []
protocol.ready()
other = threading.Thread(target=compute)
other.start()
begin = time.thread_time()
for _ in range(ROUNDS):
    compress()
spent = time.thread_time() - begin
done.append(True)
other.join()
protocol.report({
    "compress": protocol.only_line(compress), "compute": protocol.only_line(compute), "ns": int(1e9 * spent)
})
protocol.stay()
