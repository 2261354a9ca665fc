"""Has a child that forks another worker every few milliseconds, while we attach too, which stays, and one that does not."""

import os
import select
import time

import told

PAUSE = 0.01
# Many of those that are there when we look for descendants have ended before we have attached to them.
SHORT_LIFE = 0.1


def stays(pipe):
    os.read(pipe, 1)
    os._exit(0)


def forks_until(stop, pipe):
    while not select.select([stop], [], [], PAUSE)[0]:
        if os.fork() == 0:
            stays(pipe)
        if os.fork() == 0:
            time.sleep(SHORT_LIFE)
            os._exit(0)
        reap(os.WNOHANG)
    time.sleep(2 * SHORT_LIFE)
    reap(os.WNOHANG)
    stays(pipe)


def reap(options):
    while os.waitpid(-1, options)[0] != 0:
        pass


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
