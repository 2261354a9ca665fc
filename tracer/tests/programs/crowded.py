"""More processes that compute than there are CPUs: some always wait for one."""

import os
import signal

import protocol


def compute():
    while True:
        pass


children = []
for _ in range(2 * os.cpu_count() + 2):
    children.append(os.fork() or compute())
protocol.ready()
protocol.report({"children": children})
protocol.stay()
for child in children:
    os.kill(child, signal.SIGKILL)
