"""A process group whose members handle SIGINT; it is interrupted again and again."""

import os
import signal
import time

import protocol

CHILDREN = 3
TIMES = 5


def interrupt(group):
    os.killpg(group, signal.SIGINT)


def wait_until_handled(pipe, times):
    handled = b""
    while len(handled) < (1 + CHILDREN) * times:
        handled += os.read(pipe, 100)


def member(pipe):
    signal.signal(signal.SIGINT, lambda number, frame: os.write(pipe, b"."))
    os.write(pipe, b".")


def lead(pipe):
    """A group of its own; each member says so when its handler has run, and ends when it is asked to by SIGTERM."""
    program = os.getppid()
    os.setpgid(0, 0)
    for _ in range(CHILDREN):
        if os.fork() == 0:
            program = os.getppid()
            break
    member(pipe)
    while os.getppid() == program:  # nobody else ends a group of its own
        time.sleep(0.01)  # a signal that comes just before a sleep has its handler called after it


protocol.ready()
handled, pipe = os.pipe()
leader = os.fork()
if leader == 0:
    lead(pipe)
wait_until_handled(handled, 1)
for _ in range(TIMES):
    interrupt(leader)
    wait_until_handled(handled, 1)
protocol.report({"leader": leader, "times": TIMES})
protocol.stay()
os.killpg(leader, signal.SIGKILL)
os.waitpid(leader, 0)
