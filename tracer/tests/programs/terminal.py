"""A leader and its children at a terminal of their own, where Ctrl-C is pressed."""

import os
import pty
import signal
import time

import protocol

CHILDREN = 2


def lead():
    """The children end by the signal's default, the leader once they have ended."""
    signal.signal(signal.SIGINT, lambda number, frame: None)
    for _ in range(CHILDREN):
        if os.fork() == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.write(1, b"%d\n" % os.getpid())
            time.sleep(600)
            os._exit(1)
    for _ in range(CHILDREN):
        os.wait()
    os._exit(0)


def press_ctrl_c():
    leader, terminal = pty.fork()
    if leader == 0:
        lead()
    said = b""
    while said.count(b"\n") < CHILDREN:
        said += os.read(terminal, 100)
    os.write(terminal, b"\x03")
    os.waitpid(leader, 0)
    os.close(terminal)
    return {"leader": leader, "children": [int(pid) for pid in said.split()]}


protocol.ready()
protocol.report(press_ctrl_c())
protocol.stay()
