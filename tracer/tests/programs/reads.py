"""Reads known amounts in ten ways, each from a line of its own."""

import os
import socket
import sys
from collections import Counter

import protocol


def read_proc(fd, size):
    return os.read(fd, size)


def read_file(fd, size):
    return os.read(fd, size)


def read_pipe(fd, size):
    return os.read(fd, size)


def read_empty_pipe(fd, size):
    return os.read(fd, size)


def pread_file(fd, size, offset):
    return os.pread(fd, size, offset)


def readv_file(fd, buffers):
    return os.readv(fd, buffers)


def preadv_file(fd, buffers, offset):
    return os.preadv(fd, buffers, offset)


def recv_unix(peer, size):
    return peer.recv(size)


def recvfrom_inet(peer, size):
    return peer.recvfrom(size)


def recvmsg_unix(peer, size):
    return peer.recvmsg(size)


class Site:
    """One line that reads, and what it has read."""

    def __init__(self, read, syscall, kind, path=None):
        self.read, self.syscall, self.kind, self.path = read, syscall, kind, path
        self.calls = self.bytes = self.eof = self.errors = 0
        self.requested, self.returned = Counter(), Counter()

    def __call__(self, size, *arguments):
        self.calls += 1
        self.requested[size] += 1
        try:
            result = self.read(*arguments)
        except BlockingIOError:
            self.errors += 1
            return 0
        data = result[0] if isinstance(result, tuple) else result
        got = data if isinstance(data, int) else len(data)
        self.bytes += got
        self.eof += got == 0
        if got:
            self.returned[got] += 1
        return got

    def truth(self):
        return {
            "frame": protocol.only_line(self.read),
            "syscall": self.syscall,
            "kind": self.kind,
            "path": self.path,
            "syscalls": self.calls,
            "bytes": self.bytes,
            "eof": self.eof,
            "eagain": self.errors,
            "requested": self.requested,
            "returned": self.returned,
        }


def descriptor(fd):
    return os.readlink(f"/proc/self/fd/{fd}")


def from_proc():
    site = Site(read_proc, "read", "procfs", f"/proc/{os.getpid()}/status")
    for _ in range(300):
        fd = os.open("/proc/self/status", os.O_RDONLY)
        while site(512, fd, 512):
            pass
        os.close(fd)
    return site


def from_file(fd):
    path = descriptor(fd)
    site = Site(read_file, "read", "file", path)
    for size in [100, 4096, 65536]:
        os.lseek(fd, 0, os.SEEK_SET)
        while site(size, fd, size):
            pass
    pread = Site(pread_file, "pread64", "file", path)
    readv = Site(readv_file, "readv", "file", path)
    preadv = Site(preadv_file, "preadv2", "file", path)
    os.lseek(fd, 0, os.SEEK_SET)
    for offset in range(0, 10_000, 50):
        pread(333, fd, 333, offset)
        readv(48, fd, [bytearray(16), bytearray(32)])
        preadv(70, fd, [bytearray(30), bytearray(40)], offset)
    return [site, pread, readv, preadv]


def from_pipe():
    reader, writer = os.pipe()
    site = Site(read_pipe, "read", "pipe", descriptor(reader))
    for _ in range(250):
        os.write(writer, bytes(100))
        site(64, reader, 64)
        site(64, reader, 64)
    os.set_blocking(reader, False)
    empty = Site(read_empty_pipe, "read", "pipe", site.path)
    for _ in range(40):
        empty(16, reader, 16)
    return [site, empty]


def from_sockets():
    here, there = socket.socketpair()
    recv = Site(recv_unix, "recvfrom", "unix")
    recvmsg = Site(recvmsg_unix, "recvmsg", "unix")
    for _ in range(200):
        there.send(bytes(30))
        recv(20, here, 20)
        recvmsg(128, here, 128)
    there.close()
    recv(20, here, 20)

    one, two = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    one.bind(("127.0.0.1", 0))
    two.bind(("127.0.0.1", 0))
    one.connect(two.getsockname())
    two.connect(one.getsockname())
    recvfrom = Site(recvfrom_inet, "recvfrom", "inet")
    for _ in range(150):
        two.send(bytes(77))
        recvfrom(99, one, 99)
    return [recv, recvmsg, recvfrom]


fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.write(fd, bytes(10_000))
protocol.ready()
sites = [from_proc(), *from_file(fd), *from_pipe(), *from_sockets()]
protocol.report([site.truth() for site in sites])
protocol.stay()
