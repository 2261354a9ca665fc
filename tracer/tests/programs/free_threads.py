"""Threads of a build without GIL: they run at once, wait for a list that another one sorts, and stand still while garbage
is collected."""

import gc
import os
import random
import threading
import time

import protocol

SORTS = 5
COLLECTIONS = 16

numbers = [random.random() for _ in range(600000)]
heap = [[number] for number in range(800000)]


def now():
    return time.monotonic_ns()


def sorts(items):
    items.sort()


def appends(items):
    items.append(0.5)


def asleep(schedstat):
    """How long the current thread has been neither on a CPU nor waiting for one, up to a constant."""
    on_cpu, queued, _ = os.pread(schedstat, 64, 0).split()
    return now() - int(on_cpu) - int(queued)


def append_until(done, waited):
    schedstat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    while not done:
        before = asleep(schedstat)
        appends(numbers)
        waited.append(asleep(schedstat) - before)
        time.sleep(0.001)


def spin(done, turns):
    count = 0
    while not done:
        count += 1
    turns.append(count)


def collect():
    gc.collect()


def objects():
    done, waited = [], []
    other = threading.Thread(target=append_until, args=[done, waited])
    other.start()
    for _ in range(SORTS):
        random.shuffle(numbers)
        sorts(numbers)
    done.append(True)
    other.join()
    frames = {"frame": protocol.only_line(appends), "by": protocol.only_line(sorts)}
    return {"ns": sum(waited), **frames}


def world():
    pauses, on_cpu, began, done = [], [], [], []

    def on_gc(phase, info):
        if phase == "start":
            began[:] = [now(), time.thread_time_ns()]
        else:
            on_cpu.append(time.thread_time_ns() - began[1])
            pauses.append(now() - began[0])

    threads = [threading.Thread(target=spin, args=[done, []]) for _ in range(2)]
    for thread in threads:
        thread.start()
    gc.callbacks.append(on_gc)
    for _ in range(COLLECTIONS):
        collect()
        time.sleep(0.01)
    gc.callbacks.remove(on_gc)
    done.append(True)
    for thread in threads:
        thread.join()
    return {"pauses": len(pauses), "ns": sum(pauses), "on_cpu_ns": sum(on_cpu), "frame": protocol.only_line(collect)}


def at_once():
    done, turns = [], []
    before = now()
    threads = [threading.Thread(target=spin, args=[done, turns]) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    done.append(True)
    for thread in threads:
        thread.join()
    return {"ns": now() - before}


protocol.ready()
protocol.report({"at_once": at_once(), "objects": objects(), "world": world()})
protocol.stay()
