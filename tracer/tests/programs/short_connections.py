"""Two workers serve one connection after another, as fast as they come: python short_connections.py FAMILY PATH. They
count what they read, until they read that this is the end."""

import os
import socket
import sys

import protocol

WORKERS = 2
FAMILY, PATH = sys.argv[1:]


def read(connection):
    return connection.recv(64)


def serve(server):
    reads = 0
    while True:
        connection, _ = server.accept()
        said = read(connection)
        reads += 1
        connection.close()
        if said == b"end":
            return reads


def worker(server):
    """Forks one; which line prints how much it read."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, b"%d" % serve(server))
        os._exit(0)
    os.close(writer)
    return reader


server = socket.socket(socket.AF_UNIX if FAMILY == "unix" else socket.AF_INET)
server.bind(PATH if FAMILY == "unix" else ("127.0.0.1", 0))
server.listen(1024)
workers = [worker(server) for _ in range(WORKERS)]
protocol.ready()
protocol.report(PATH if FAMILY == "unix" else "%s:%d" % server.getsockname())
reads = [int(os.read(reader, 64)) for reader in workers]
for _ in workers:
    os.wait()
protocol.report({"frame": protocol.only_line(read), "reads": reads})
protocol.stay()
