"""Threads that take turns at a lock, and others that wait: python threads.py BUSY WAITING"""

import sys
import threading
from work import measured

busy, waiting = int(sys.argv[1]), int(sys.argv[2])
lock, never = threading.Lock(), threading.Event()
done = [0] * busy
threading.stack_size(256 * 1024)


def work(n):
    while True:
        with lock:
            for i in range(500):
                i * i
        done[n] += 1


for n in range(busy):
    threading.Thread(target=work, args=(n,), daemon=True).start()
for _ in range(waiting):
    threading.Thread(target=never.wait, daemon=True).start()


def step():
    if not busy:
        for i in range(20_000):
            i * i
        return 1
    before = sum(done)
    never.wait(0.01)
    return sum(done) - before


measured(step)
