"""Threads that sleep in known places: one set before it is traced, one set after. Runs on 2.7 too."""

import os
import select
import sys
import threading
import time

import protocol

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


def selector():
    def inner():
        select.select([pipe[0]], [], [])

    inner()


CAUSES = {"read": Reader().run, "sleep": sleeper, "lock": locker, "poll": selector}


def park_all():
    """Starts a set of threads; returns them by what they wait for, once they wait."""
    threads = [(cause, protocol.start(function)) for cause, function in CAUSES.items()]
    protocol.until_parked([tid for _, (tid, _) in threads])
    return threads


def stacks(threads):
    frames = sys._current_frames()
    return [{"cause": cause, "tid": tid, "stack": protocol.stack(frames[ident])} for cause, (tid, ident) in threads]


before = park_all()
protocol.ready()
after = park_all()
protocol.report({"before": stacks(before), "after": stacks(after)})
protocol.stay()
