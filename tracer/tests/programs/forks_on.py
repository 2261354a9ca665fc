"""Has a child that forks another worker every now and then, while we attach too, which stays, and one that does not."""

import os
import select
import time

import protocol

# Between two workers: ever longer, so that there are some while we attach and no thousands, however long that takes.
PAUSE, GROWTH = 0.01, 1.03
# Many of those that are there when we look for descendants have ended before we have attached to them.
SHORT_LIFE = 0.1
# Workers that come once we have attached, and as many of the others.
AFTERWARDS = 12


def stays(pipe):
    os.read(pipe, 1)
    os._exit(0)


def ends():
    time.sleep(SHORT_LIFE)
    os._exit(0)


def forks_until(stop, pipe):
    pause, brief = PAUSE, []
    while not select.select([stop], [], [], pause)[0]:
        pause *= GROWTH
        if os.fork() == 0:
            stays(pipe)
        brief.append(os.fork() or ends())
        os.write(news_writer, b".")
        brief = [pid for pid in brief if os.waitpid(pid, os.WNOHANG)[0] == 0]
    for pid in brief:
        os.waitpid(pid, 0)
    stays(pipe)


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return [int(child) for child in file.read().split()]


end, keep = os.pipe()
enough, stop = os.pipe()
news_reader, news_writer = os.pipe()
mother = os.fork()
if mother == 0:
    os.close(keep)
    forks_until(enough, end)
protocol.ready()
before = len(os.read(news_reader, 1 << 16))
for _ in range(AFTERWARDS):
    os.read(news_reader, 1)
os.write(stop, b"x")
protocol.until_asleep_in(protocol.READ, mother)
protocol.report({"mother": mother, "workers": children(mother), "before": before})
protocol.stay()
os.close(keep)
