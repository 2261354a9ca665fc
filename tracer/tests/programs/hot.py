"""Four threads that do nothing but call, each along a path of its own, while others begin and end: python hot.py SECONDS of
CPU time. Runs on 2.7 too."""

import os
import sys
import time

import protocol

try:
    from _thread import start_new_thread
except ImportError:
    from thread import start_new_thread

DEPTH = 14
HOT = ["north", "east", "south", "west"]
BRIEF = "brief"
FILE = "<hot>"

SOURCE = """\
def {name}_one(left):
    total = sum(range(5))
    return {name}_two(left - 1) if left else total
def {name}_two(left):
    total = [left, left + 1]
    return {name}_three(left - 1) if left else total
def {name}_three(left):
    for total in range(2): pass
    return {name}_one(left - 1) if left else total
def {name}_hot(depth, stop):
    while not stop:
        {name}_one(depth)
def {name}_brief(depth, turns):
    for _ in range(turns):
        {name}_one(depth)
"""

# By function: its lines, and which of them calls what.
LINES = {
    "one": ((1, 3), {3: "two"}),
    "two": ((4, 6), {6: "three"}),
    "three": ((7, 9), {9: "one"}),
    "hot": ((10, 12), {12: "one"}),
    "brief": ((13, 15), {15: "one"}),
}


def cpu_seconds():
    return sum(os.times()[:2])


scope = {}
for name in HOT + [BRIEF]:
    exec(compile(SOURCE.format(name=name), FILE, "exec"), scope)
stop = []
for name in HOT:
    start_new_thread(scope[name + "_hot"], (DEPTH, stop))

protocol.ready()
begun = 0
end = cpu_seconds() + float(sys.argv[1])
while cpu_seconds() < end:
    start_new_thread(scope["brief_brief"], (DEPTH, 20))
    begun += 1
    time.sleep(0.02)
stop.append(True)
while len(os.listdir("/proc/self/task")) > 1:
    time.sleep(0.01)

calls = {"%s_%s:%d" % (name, caller, line): "%s_%s" % (name, callee)
         for name in HOT + [BRIEF] for caller, (_, calls) in LINES.items() for line, callee in calls.items()}
lines = {"%s_%s" % (name, function): lines for name in HOT + [BRIEF] for function, (lines, _) in LINES.items()}
outermost = [name + "_hot" for name in HOT] + [BRIEF + "_brief"]
protocol.report({"begun": begun, "file": FILE, "calls": calls, "lines": lines, "outermost": outermost})
protocol.stay()
