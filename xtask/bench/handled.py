"""Is sent signals, which it handles: some thousands a second, and works in between."""

import os
import signal
from work import measured

handled = 0


def on_signal(number, frame):
    global handled
    handled += 1


signal.signal(signal.SIGUSR1, on_signal)
pid = os.getpid()


def step():
    before = handled
    os.kill(pid, signal.SIGUSR1)
    for i in range(10_000):
        i * i
    return handled - before


measured(step)
