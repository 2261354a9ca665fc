"""Threads that sleep in known places: one set before it is traced, one set after."""

import os
import select
import sys
import threading
import time

import told

pipe = os.pipe()
never = threading.Lock()
never.acquire()


class Reader:
    def deeper(self):
        return os.read(pipe[0], 1)

    def run(self):
        return (lambda: self.deeper())()


def sleeper(depth=40):
    if depth:
        return sleeper(depth - 1)
    return time.sleep(3600)


def generates():
    yield never.acquire()


def locker():
    for _ in generates():
        pass


def sélecteur():
    def inner():
        select.select([pipe[0]], [], [])

    inner()


CAUSES = {"read": Reader().run, "sleep": sleeper, "lock": locker, "poll": sélecteur}


def park_all():
    """Starts a set of threads; returns what they wait for, by thread, once they wait."""
    threads = [threading.Thread(target=target, daemon=True) for target in CAUSES.values()]
    for thread in threads:
        thread.start()
    told.until_parked([thread.native_id for thread in threads])
    return list(zip(CAUSES, threads))


def stacks(threads):
    frames = sys._current_frames()
    return [
        {"cause": cause, "tid": thread.native_id, "stack": told.stack(frames[thread.ident])}
        for cause, thread in threads
    ]


before = park_all()
told.ready()
after = park_all()
told.tell({"before": stacks(before), "after": stacks(after)})
told.stay()
