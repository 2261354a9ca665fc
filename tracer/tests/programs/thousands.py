"""As many threads as its argument says, which wait for a line that never comes."""

import os
import sys
import threading

import protocol

THREADS = int(sys.argv[1])

pipe = os.pipe()
threading.stack_size(64 << 10)


def wait(depth):
    return wait(depth - 1) if depth else os.read(pipe[0], 1)


for _ in range(THREADS):
    protocol.start_new_thread(wait, (5,))
main = os.getpid()
protocol.until_parked([int(tid) for tid in os.listdir("/proc/self/task") if int(tid) != main])
protocol.ready()
protocol.report({"threads": THREADS + 1})
protocol.stay()
