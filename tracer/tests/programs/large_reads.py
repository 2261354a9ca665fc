"""Asks for four gigabytes of a pipe that holds ten bytes."""

import ctypes
import os

import protocol

ASKED = 1 << 32
TIMES = 20

libc = ctypes.CDLL(None)
libc.read.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
buffer = ctypes.create_string_buffer(4096)
pipe = os.pipe()


def read_all():
    return libc.read(pipe[0], buffer, ASKED)


protocol.ready()
got = 0
for _ in range(TIMES):
    os.write(pipe[1], b"0123456789")
    got += read_all()
protocol.report({"frame": protocol.only_line(read_all), "asked": ASKED, "times": TIMES, "got": got})
protocol.stay()
