"""Spends a known share of its CPU time in each of four functions."""

import sys
import time

import told


def half(turns):
    x = 0
    for _ in range(turns):
        x += 1
    return x


def third(turns):
    x = 0
    for _ in range(turns):
        x += 1
    return x


def seventh(turns):
    x = 0
    for _ in range(turns):
        x += 1
    return x


def rest(turns):
    x = 0
    for _ in range(turns):
        x += 1
    return x


SHARES = {half: 50, third: 30, seventh: 15, rest: 5}
TURNS_PER_SHARE = 4000
spent = dict.fromkeys(SHARES, 0.0)
told.ready()
while sum(spent.values()) < float(sys.argv[1]):
    for work, share in SHARES.items():
        started = time.thread_time()
        work(share * TURNS_PER_SHARE)
        spent[work] += time.thread_time() - started
told.tell({work.__qualname__: seconds for work, seconds in spent.items()})
told.stay()
