"""Is sent signals by another program, and traced by nobody: ignores one, handles one, is killed by the others."""

import signal

import protocol

signal.signal(signal.SIGUSR1, signal.SIG_IGN)
signal.signal(signal.SIGUSR2, lambda number, frame: None)
protocol.ready()
