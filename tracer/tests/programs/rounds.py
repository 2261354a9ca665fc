"""Rounds of known lengths, in each of which four functions spin for 50, 30, 15 and 5 % of it."""

import os
import sys
import time

import protocol

SHARES = {"fifty": 50, "thirty": 30, "fifteen": 15, "five": 5}
# Functions of each length of their own, so that a report distinguishes them.
SOURCE = """\
def {name}(end):
    while now() < end:
        pass
"""


def functions(length):
    """By share, those of rounds of this length."""
    scope = {"now": time.perf_counter_ns}
    for name in SHARES:
        exec(compile(SOURCE.format(name="%s_%d" % (name, length)), "<rounds>", "exec"), scope)
    return {scope["%s_%d" % (name, length)]: share for name, share in SHARES.items()}


def spin(length, seconds):
    """Rounds that begin at multiples of their length exactly; CPU seconds by function."""
    shares = functions(length)
    spent = dict.fromkeys(shares, 0.0)
    began = time.perf_counter_ns()
    for round in range(int(seconds * 1e9) // length):
        due = began + round * length
        for work, share in shares.items():
            due += share * length // 100
            started = time.thread_time()
            work(due)
            spent[work] += time.thread_time() - started
    return {work.__name__: seconds for work, seconds in spent.items()}


# On one CPU, so that one clock sees all of it.
os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
seconds, lengths = float(sys.argv[1]), [int(length) for length in sys.argv[2:]]
protocol.ready()
protocol.report({length: spin(length, seconds) for length in lengths})
protocol.stay()
