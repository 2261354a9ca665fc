# -*- coding: utf-8 -*-
"""Threads in different sleeps; when asked to, one that never lets go of the GIL, and one that wants it. Runs on 2.7 too."""

import os
import select
import sys
import threading
import time

import protocol

pipe = os.pipe()
never = threading.Lock()
never.acquire()
contending = []
count_up = range if sys.version_info[0] == 3 else xrange  # noqa: F821


def reader():
    os.read(pipe[0], 1)


def sleeper():
    for _ in naps():
        pass


def naps():
    time.sleep(3600)
    yield


def locker():
    never.acquire()


def selector(deeper=199):
    if deeper:
        return selector(deeper - 1)
    select.select([pipe[0]], [], [])


def contender():
    contending.append(True)
    while True:
        pass


def hog():
    while True:
        sum(count_up(1 << 31))


threads = dict((function.__name__, protocol.start(function)) for function in (reader, sleeper, locker, selector))
protocol.until_parked([tid for tid, _ in threads.values()])
protocol.ready()
frames = sys._current_frames()
truth = dict((name, {"tid": tid, "stack": protocol.stack(frames[ident])}) for name, (tid, ident) in threads.items())
protocol.report(truth)

sys.stdin.readline()
protocol.start(contender)
while not contending:
    time.sleep(0.01)
hog()
