"""More processes that compute than there are CPUs: some always wait for one."""

import os
import signal

import told


def compute():
    while True:
        pass


children = []
for _ in range(2 * os.cpu_count() + 2):
    children.append(os.fork() or compute())
told.ready()
told.tell({"children": children})
told.stay()
for child in children:
    os.kill(child, signal.SIGKILL)
