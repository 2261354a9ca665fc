"""Reads in pieces of the sizes that it is given: the same bytes in each run, at the same lines."""

import json
import os
import sys
import tempfile
import threading

import protocol

ROUNDS = 240
MESSAGE = 4000


def raw_proc(fd, size):
    return os.read(fd, size)


def buffered_proc(path, size):
    return list(open(path, "rb", buffering=size))


def raw_maps(fd, size):
    return os.read(fd, size)


def large_maps(fd, size):
    return os.read(fd, size)


def raw_sysfs(fd, size):
    return os.read(fd, size)


def raw_file(fd, size):
    return os.read(fd, size)


def buffered_file(path, size):
    return list(open(path, "rb", buffering=size))


def pread_file(fd, size, offset):
    return os.pread(fd, size, offset)


def raw_pipe(fd, size):
    return os.read(fd, size)


def slow_pipe(fd, size):
    return os.read(fd, size)


def same_again(fd, size):
    return os.pread(fd, size, 0)


def to_the_end(path, read, size):
    fd = os.open(path, os.O_RDONLY)
    while read(fd, size):
        pass
    os.close(fd)


def pread_to_the_end(path, size):
    fd, offset = os.open(path, os.O_RDONLY), 0
    while True:
        piece = pread_file(fd, size, offset)
        if not piece:
            break
        offset += len(piece)
    os.close(fd)


def answered(size):
    """Each message is written at once, and the next one when the whole of it has been read."""
    questions, answers = os.pipe(), os.pipe()

    def write():
        for _ in range(ROUNDS):
            os.read(questions[0], 1)
            os.write(answers[1], bytes(MESSAGE))

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(ROUNDS):
        os.write(questions[1], b"?")
        left = MESSAGE
        while left:
            left -= len(raw_pipe(answers[0], size))
    writer.join()


def dripped(size):
    """Every line is written when there is nothing left of the one before."""
    reader, writer = os.pipe()
    for _ in range(ROUNDS):
        os.write(writer, b"a line\n")
        os.write(writer, b"and another one\n")
        left = 23
        while left:
            left -= len(slow_pipe(reader, size))


def read_all(path, sizes):
    for _ in range(ROUNDS):
        to_the_end("/proc/self/status", raw_proc, sizes["raw_proc"])
        buffered_proc("/proc/self/status", sizes["buffered_proc"])
        to_the_end("/proc/self/maps", raw_maps, sizes["raw_maps"])
        to_the_end("/proc/self/maps", large_maps, sizes["large_maps"])
        to_the_end("/sys/kernel/uevent_seqnum", raw_sysfs, sizes["raw_sysfs"])
        fd = os.open("/proc/self/stat", os.O_RDONLY)
        for _ in range(4):
            same_again(fd, sizes["same_again"])
        os.close(fd)
    for _ in range(3):
        to_the_end(path, raw_file, sizes["raw_file"])
        buffered_file(path, sizes["buffered_file"])
        pread_to_the_end(path, sizes["pread_file"])
    answered(sizes["raw_pipe"])
    dripped(sizes["slow_pipe"])


sizes = json.loads(sys.argv[1])
with tempfile.NamedTemporaryFile() as file:
    file.write(b"a line of thirty bytes, or so\n" * 10_000)
    file.flush()
    protocol.ready()
    read_all(file.name, sizes)
protocol.report({name: protocol.only_line(globals()[name]) for name in sizes})
protocol.stay()
