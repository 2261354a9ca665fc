"""Runs programs in its only thread, or is stopped while two threads compute."""

import os
import signal
import subprocess
import sys
import threading
import time

import protocol

CHILDREN = 20
STOPPED_SECONDS = 0.5


def run_children():
    pids = []
    for _ in range(CHILDREN):
        with subprocess.Popen(["sleep", "0.01"]) as child:
            pids.append(child.pid)
    return {"children": pids}


def be_stopped():
    """A child stops both threads, which want the GIL all the time, and continues them."""
    done = threading.Event()

    def compute():
        while not done.is_set():
            sum(range(1000))

    thread = threading.Thread(target=compute)
    thread.start()
    child = os.fork()
    if child == 0:
        time.sleep(0.1)
        os.kill(os.getppid(), signal.SIGSTOP)
        time.sleep(STOPPED_SECONDS)
        os.kill(os.getppid(), signal.SIGCONT)
        os._exit(0)
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        sum(range(1000))
    done.set()
    thread.join()
    return {"child": child}


protocol.ready()
protocol.report({"children": run_children, "stopped": be_stopped}[sys.argv[1]]())
protocol.stay()
