"""Serves one connection after another, and uses pipes and files without a name likewise: counts what it reads."""

import os
import socket
import tempfile

import protocol

CONNECTIONS = 20_000
PIPES = 10_000
FILES = 500


def read_inet(connection):
    return connection.recv(64)


def read_unix(connection):
    return connection.recv(64)


def read_pipe(reader):
    return os.read(reader, 64)


def read_file(file):
    return os.read(file.fileno(), 64)


def listener(family, address):
    server = socket.socket(family)
    server.bind(address)
    server.listen()
    return server


def connect(server):
    """Another process, so that its own sockets are not seen."""
    family, address = server.family, server.getsockname()
    server.close()
    for _ in range(CONNECTIONS):
        client = socket.socket(family)
        client.connect(address)
        client.send(b"GET / HTTP/1.1")
        client.recv(1)
        client.close()


def serve(server, read):
    """Reads a connection to its end: the peer closes after we have."""
    reads = 0
    for _ in range(CONNECTIONS):
        connection, _ = server.accept()
        reads += read(connection) == b"GET / HTTP/1.1"
        connection.close()
    return reads


def clients(servers):
    """A child that waits to be asked, and then is all clients."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(writer)
        os.read(reader, 1)
        for server in servers:
            connect(server)
        os._exit(0)
    os.close(reader)
    return writer


def pipes():
    for _ in range(PIPES):
        reader, writer = os.pipe()
        os.write(writer, b"piece")
        read_pipe(reader)
        os.close(reader)
        os.close(writer)
    return PIPES


def files():
    for _ in range(FILES):
        with tempfile.TemporaryFile(buffering=0) as file:
            file.write(b"piece")
            read_file(file)
    return FILES


def expect(read, path, reads):
    return {"frame": protocol.only_line(read), "path": path, "syscalls": reads}


with tempfile.TemporaryDirectory() as directory:
    inet = listener(socket.AF_INET, ("127.0.0.1", 0))
    unix = listener(socket.AF_UNIX, os.path.join(directory, "socket"))
    start = clients([inet, unix])
    protocol.ready()
    os.write(start, b"!")
    truth = [
        expect(read_inet, "%s:%d" % inet.getsockname(), serve(inet, read_inet)),
        expect(read_unix, unix.getsockname(), serve(unix, read_unix)),
        expect(read_pipe, "pipe:[*]", pipes()),
        expect(read_file, os.path.join(tempfile.gettempdir(), "* (deleted)"), files()),
    ]
    protocol.report(truth)
    os.wait()
    protocol.stay()
