"""Reads one file in pieces of a thousand different sizes, at one line."""

import os
import tempfile

import protocol

CALLS = 1_000
LARGEST = 1 << 20


def read(fd, size):
    return os.pread(fd, size, 0)


with tempfile.TemporaryFile() as file:
    file.truncate(LARGEST)
    protocol.ready()
    for call in range(CALLS):
        read(file.fileno(), 1 + call * LARGEST // CALLS)
    protocol.report({"frame": protocol.only_line(read), "calls": CALLS})
protocol.stay()
