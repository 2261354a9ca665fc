"""A thousand threads that wait for a line that never comes."""

import os
import threading

import protocol

THREADS = 1000

pipe = os.pipe()
threading.stack_size(64 << 10)


def wait(depth):
    return wait(depth - 1) if depth else os.read(pipe[0], 1)


threads = [threading.Thread(target=wait, args=(5,), daemon=True) for _ in range(THREADS)]
for thread in threads:
    thread.start()
protocol.until_parked([thread.native_id for thread in threads])
protocol.ready()
protocol.report({"threads": THREADS + 1})
protocol.stay()
