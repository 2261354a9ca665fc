"""Reads one file in pieces of a thousand different sizes, at one line."""

import os
import tempfile

import told

CALLS = 1_000
LARGEST = 1 << 20


def read(fd, size):
    return os.pread(fd, size, 0)


with tempfile.TemporaryFile() as file:
    file.truncate(LARGEST)
    told.ready()
    for call in range(CALLS):
        read(file.fileno(), 1 + call * LARGEST // CALLS)
    told.tell({"frame": told.only_line(read), "calls": CALLS})
told.stay()
