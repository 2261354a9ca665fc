"""Sends a file in pieces, from its own position and from positions that the call is given, each way at a line of its own."""

import os
import sys

import protocol

PIECE = 1500
SIZE = 100 * PIECE + 700
# Where the file stands while positions are given: a multiple of nothing that is read.
ELSEWHERE = 77_777


def from_its_own(out, fd):
    return os.sendfile(out, fd, None, PIECE)


def from_given(out, fd, start):
    return os.sendfile(out, fd, start, PIECE)


def from_scattered(out, fd, start):
    return os.sendfile(out, fd, start, PIECE)


class Count:
    """What the calls at a line returned."""

    def __init__(self):
        self.calls, self.bytes, self.ends, self.returned = 0, 0, 0, {}

    def add(self, got):
        self.calls += 1
        self.bytes += got
        self.ends += got == 0
        self.returned[got] = self.returned.get(got, 0) + 1
        return got

    def row(self, function):
        return {
            "frame": protocol.only_line(function),
            "syscall": "sendfile",
            "path": path,
            "syscalls": self.calls,
            "bytes": self.bytes,
            "eof": self.ends,
            "requested": {str(PIECE): self.calls},
            "returned": {str(size): calls for size, calls in self.returned.items()},
        }


def send_from_its_own(out, fd):
    count = Count()
    while count.add(from_its_own(out, fd)):
        pass
    assert os.lseek(fd, 0, os.SEEK_CUR) == SIZE
    return count.row(from_its_own)


def send_from_given(out, fd):
    count = Count()
    while count.add(from_given(out, fd, count.bytes)):
        pass
    return count.row(from_given)


def send_from_scattered(out, fd):
    """Backwards, so that no piece goes on where the one before it ended."""
    count = Count()
    for start in range(SIZE - PIECE, 0, -PIECE):
        count.add(from_scattered(out, fd, start))
    return count.row(from_scattered)


def send(way, position):
    out, fd = os.memfd_create("what is written to"), os.open(path, os.O_RDONLY)
    os.lseek(fd, position, os.SEEK_SET)
    row = way(out, fd)
    if position:
        assert os.lseek(fd, 0, os.SEEK_CUR) == position, "the file's own position has moved"
    assert os.fstat(out).st_size == row["bytes"], "what has arrived is not what was sent"
    os.close(fd)
    os.close(out)
    return row


path = os.path.realpath(sys.argv[1])
with open(path, "wb") as file:
    file.write(bytes(SIZE))
protocol.ready()
protocol.report(
    {
        "own": send(send_from_its_own, 0),
        "given": send(send_from_given, ELSEWHERE),
        "scattered": send(send_from_scattered, ELSEWHERE),
    }
)
protocol.stay()
