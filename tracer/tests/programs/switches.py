"""Threads that sleep, contend for a lock, read a pipe, poll and compute; all of them live throughout."""

import os
import select
import threading
import time

import protocol

WAITS = 60

lock = threading.Lock()
held, taken = threading.Semaphore(0), threading.Semaphore(0)
pipe = os.pipe()
quiet = os.pipe()
begin, end = threading.Event(), threading.Event()
done = threading.Semaphore(0)


def sleeps():
    for _ in range(550):
        time.sleep(0.001)


def holds():
    """Until another thread waits for it, however long that takes on a busy machine."""
    for _ in range(WAITS):
        lock.acquire()
        held.release()
        protocol.until_asleep_in(protocol.FUTEX, os.getpid(), tids[WORK.index(takes)])
        lock.release()
        taken.acquire()


def takes():
    for _ in range(WAITS):
        held.acquire()
        with lock:
            pass
        taken.release()


def writes():
    for _ in range(WAITS):
        protocol.until_asleep_in(protocol.READ, os.getpid(), tids[WORK.index(reads)])
        os.write(pipe[1], b"x")


def reads():
    for _ in range(WAITS):
        os.read(pipe[0], 1)


def polls():
    # Some more than are asked for: one that is preempted on its way to sleep may find its time over.
    for _ in range(110):
        select.select([quiet[0]], [], [], 0.002)


def computes():
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        sum(range(2000))


def run(work):
    begin.wait()
    work()
    done.release()
    end.wait()


WORK = [sleeps, holds, takes, writes, reads, polls, computes, computes]
threads = [threading.Thread(target=run, args=[work], daemon=True) for work in WORK]
for thread in threads:
    thread.start()
tids = [thread.native_id for thread in threads]
protocol.until_parked(tids)
protocol.ready()
before = [protocol.switches(tid) for tid in tids]
begin.set()
for _ in threads:
    done.acquire()
protocol.until_parked(tids)
after = [protocol.switches(tid) for tid in tids]
truth = [sum(now[kind] - then[kind] for now, then in zip(after, before)) for kind in (0, 1)]
protocol.report({"workers_voluntary": truth[0], "workers_involuntary": truth[1], "threads": len(threads) + 1})
protocol.stay()
