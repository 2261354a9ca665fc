"""Gets ten thousand signals one by one, and ten thousand that were queued, each an event of its own."""

import ctypes
import os
import resource
import signal

import protocol

SIGNALS = 10_000

resource.setrlimit(resource.RLIMIT_SIGPENDING, (2 * SIGNALS, 2 * SIGNALS))
calls = {signal.SIGUSR1: 0, signal.SIGRTMIN: 0}


def handler(number, frame):
    calls[number] += 1


for number in calls:
    signal.signal(number, handler)
protocol.ready()
pid = os.getpid()
for _ in range(SIGNALS):
    os.kill(pid, signal.SIGUSR1)
sigqueue = ctypes.CDLL(None).sigqueue
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
for _ in range(SIGNALS):
    assert sigqueue(pid, int(signal.SIGRTMIN), None) == 0
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGRTMIN])
protocol.report({"signals": SIGNALS, "called": [calls[signal.SIGUSR1], calls[signal.SIGRTMIN]]})
protocol.stay()
