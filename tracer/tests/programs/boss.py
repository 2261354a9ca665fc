"""Starts a worker, and asks it ten times to stop. Only the worker is traced."""

import os
import signal
import sys
import time

import protocol


def serve():
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    while True:
        time.sleep(60)


def ask_to_stop(pid):
    os.kill(pid, signal.SIGTERM)


worker = os.fork()
if worker == 0:
    serve()
protocol.ready()
protocol.report({"worker": worker, "line": protocol.only_line(ask_to_stop)})
sys.stdin.readline()
for _ in range(10):
    time.sleep(0.05)
    ask_to_stop(worker)
protocol.say("asked")
protocol.stay()
