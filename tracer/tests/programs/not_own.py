"""Lines that others read for, or that must not read more; and one that opens a file again and again."""

import linecache
import os
import ssl
import struct
import tempfile
import traceback

import told

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


told.ready()
with tempfile.TemporaryDirectory() as directory:
    work(directory)
told.tell({"setting": told.only_line(setting)})
told.stay()
