"""Has children when it is traced; dies of a signal of its own."""

import os
import signal
import time

import protocol


def child():
    pid = os.fork()
    if pid == 0:
        time.sleep(3)
        os._exit(0)
    return pid


children = [child(), child()]
protocol.ready()
protocol.report(children)
os.kill(os.getpid(), signal.SIGTERM)
