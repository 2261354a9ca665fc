"""Sends itself many signals that it ignores, each an event of its own."""

import os
import signal

import protocol

SIGNALS = 20_000

signal.signal(signal.SIGUSR1, signal.SIG_IGN)
protocol.ready()
pid = os.getpid()
for _ in range(SIGNALS):
    os.kill(pid, signal.SIGUSR1)
protocol.report(SIGNALS)
protocol.stay()
