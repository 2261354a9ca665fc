"""Children whose threads all leave at once, each by os._exit: python leavers.py CHILDREN THREADS."""

import os
import sys
import threading

import protocol

CHILDREN, THREADS = int(sys.argv[1]), int(sys.argv[2])


def leave(barrier):
    barrier.wait()
    os._exit(0)


def child():
    barrier = threading.Barrier(THREADS)
    for _ in range(THREADS - 1):
        threading.Thread(target=leave, args=[barrier]).start()
    leave(barrier)


protocol.ready()
for _ in range(CHILDREN):
    pid = os.fork()
    if not pid:
        child()
    os.waitpid(pid, 0)
protocol.report({"children": CHILDREN})
protocol.stay()
