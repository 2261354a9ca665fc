"""Spends CPU time in four functions, in a random order, and counts the work of each."""

import random
import sys
import time

import protocol


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
# About a millisecond's work: whatever takes the CPU away for a moment, or slows it, hits all functions alike.
TURNS = range(10000, 40000)
# Neither in a fixed order nor of a fixed length: a sampler, or a host's own timer, would else keep step with them.
choice = random.Random(1)
calls = []
for work, share in SHARES.items():
    calls += [work] * share
pieces = {work: [] for work in SHARES}
spent = 0.0
protocol.ready()
while spent < float(sys.argv[1]):
    work = choice.choice(calls)
    turns = choice.choice(TURNS)
    started = time.thread_time()
    work(turns)
    taken = time.thread_time() - started
    pieces[work].append((turns, taken))
    spent += taken


def seconds(pieces):
    """CPU time of all turns, as long as a turn usually takes.

    By the median, so that a host which takes the CPU away for a moment hits few of the pieces; where it is slow itself, with
    caches that others have used, all turns together took less. A function has a time of its own: where its code object lies
    makes the same instructions up to 40 % slower.
    """
    turns = sum(turns for turns, _ in pieces)
    times = sorted(taken / turns for turns, taken in pieces)
    return min(times[len(times) // 2] * turns, sum(taken for _, taken in pieces))


protocol.report({"seconds": {work.__qualname__: seconds(all) for work, all in pieces.items()}})
protocol.stay()
