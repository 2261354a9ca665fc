"""Zombies whose parent was notified of them by one SIGCHLD for two, or before it was traced."""

import os
import signal
import time

import protocol


def forget():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


before = forget()
signal.signal(signal.SIGCHLD, lambda number, frame: None)
protocol.ready()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
first, second = forget(), forget()
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
time.sleep(0.3)  # of those that have just ended nothing is said
protocol.report(
    [
        {"pid": before, "sigchld": None},
        {"pid": first, "sigchld": "python"},
        {"pid": second, "sigchld": "coalesced"},
    ]
)
protocol.stay()
