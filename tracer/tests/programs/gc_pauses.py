"""Collects garbage where it knows, and prints what `gc.callbacks` saw of it; 2.7 has none, and times its own calls.

The argument says what it does: `alone`; `waiting` has threads that want the GIL meanwhile; `frozen` has taken what it
made before out of the collector's sight; `child` forks a process that does it all.
"""

import gc
import os
import sys
import threading
import time

import protocol

MODE = sys.argv[1]
FULL, YOUNG = 6, 20000
WAITERS = 2
has_callbacks = hasattr(gc, "callbacks")

pauses = []
began = []


def now():
    return int(getattr(time, "monotonic", time.time)() * 1e9)


def on_gc(phase, info):
    if phase == "start":
        began[:] = [now()]
    else:
        pauses.append({"generation": info["generation"], "ns": now() - began[0], "collected": info["collected"]})


class Node(object):
    def __init__(self):
        self.itself = self


def make_heap():
    return [[number] for number in range(400000)]


def full():
    for _ in range(FULL):
        before = now()
        gc.collect()
        if not has_callbacks:
            pauses.append({"generation": 2, "ns": now() - before})


def young():
    for _ in range(YOUNG):
        Node()


def spin():
    while not done:
        pass


done = []


def work():
    threads = [threading.Thread(target=spin) for _ in range(WAITERS if MODE == "waiting" else 0)]
    for thread in threads:
        thread.start()
    if has_callbacks:
        gc.callbacks.append(on_gc)
    full()
    if not threads:
        young()
    if has_callbacks:
        gc.callbacks.remove(on_gc)
    done.append(True)
    for thread in threads:
        thread.join()


def report_pauses():
    protocol.report({
        "pid": os.getpid(),
        "pauses": pauses,
        "full": {"file": full.__code__.co_filename, "line": full.__code__.co_firstlineno + 3},
        "young": young.__code__.co_filename,
    })


def main():
    protocol.comes_first()
    protocol.ready()
    if MODE == "child":
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            protocol.stay()
            return
        time.sleep(0.3)  # long enough to be worth probes
    work()
    report_pauses()
    if MODE == "child":
        os._exit(0)
    protocol.stay()


gc.collect()
heap = make_heap()
if MODE == "frozen":
    gc.freeze()
main()
