"""Has a child that forks another worker every few milliseconds, while we attach too; all of them stay."""

import os
import select
import time

import told

PAUSE = 0.01


def stays(pipe):
    os.read(pipe, 1)
    os._exit(0)


def forks_until(stop, pipe):
    while not select.select([stop], [], [], PAUSE)[0]:
        if os.fork() == 0:
            stays(pipe)
    stays(pipe)


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return [int(child) for child in file.read().split()]


end, keep = os.pipe()
enough, stop = os.pipe()
mother = os.fork()
if mother == 0:
    os.close(keep)
    forks_until(enough, end)
told.ready()
before = len(children(mother))
time.sleep(0.3)
os.write(stop, b"x")
time.sleep(1)  # what runs in the newest is looked at
told.tell({"mother": mother, "workers": children(mother), "before": before})
told.stay()
os.close(keep)
