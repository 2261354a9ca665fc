"""Lines that others read for, or that must not read more; one that opens a file again and again, and one that iterates over
the file that it opens."""

import csv
import linecache
import os
import ssl
import struct
import tempfile
import traceback

import protocol

# Any file of many lines will do: OpenSSL looks for certificates in all of it.
NOT_CERTIFICATES = b"this is no certificate\n" * 10_000


def verify(context, path):
    context.load_verify_locations(path)


def where():
    return traceback.extract_stack()


def length(fd):
    return os.read(fd, 4)


def body(fd, size):
    return os.read(fd, size)


def setting(path):
    return open(path, "rb").read()


def iterate(path):
    for _ in open(path, "rb", buffering=128): pass


def merge(lines, path):
    """Opens a file, and iterates over another."""
    with open(path, "wb") as file:
        for line in lines:
            file.write(line)


def rows(path):
    """What a file of text asks for at a time no argument of `open` says."""
    with open(path) as file:
        return list(csv.reader(file))


def work(directory):
    path = os.path.join(directory, "certificates")
    with open(path, "wb") as file:
        file.write(NOT_CERTIFICATES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for _ in range(50):
        try:
            verify(context, path)
        except ssl.SSLError:
            pass
    for _ in range(200):
        linecache.clearcache()
        where()
    reader, writer = os.pipe()
    for number in range(2_000):
        os.write(writer, struct.pack("<I", 50 + number % 7) + bytes(50 + number % 7))
        (size,) = struct.unpack("<I", length(reader))
        body(reader, size)
    path = os.path.join(directory, "setting")
    with open(path, "wb") as file:
        file.write(b"1234")
    for _ in range(837):
        setting(path)
    path = os.path.join(directory, "lines")
    with open(path, "wb") as file:
        file.write(b"a line of thirty bytes, or so\n" * 10_000)
    for _ in range(9):  # once more, and what is read might be kept
        iterate(path)
        rows(path)
        with open(path, "rb", buffering=128) as lines:
            merge(lines, os.path.join(directory, "merged"))


protocol.ready()
with tempfile.TemporaryDirectory() as directory:
    work(directory)
protocol.report({"setting": protocol.only_line(setting), "iterate": protocol.only_line(iterate)})
protocol.stay()
