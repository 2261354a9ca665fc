"""Reads ever other files, more of them at a time than there is room for: each is read once, by one call."""

import os
import tempfile

import protocol

FILES = 20_000


def read(fd):
    return os.read(fd, 16)


with tempfile.TemporaryDirectory() as directory:
    paths = [os.path.join(directory, str(number)) for number in range(FILES)]
    for path in paths:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    protocol.ready()
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        read(fd)
        os.close(fd)
    protocol.report(FILES)
protocol.stay()
