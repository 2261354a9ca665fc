"""Threads, children, programs, connections, signals, files and functions that come and go, some in each round: as fast as
they can at first, then ten rounds a second."""

import os
import signal
import socket
import tempfile
import threading
import time

from work import measured

# Rounds without a pause: a tracer's tables of lines and files are full by then.
FILLED = 60_000

server = socket.create_server(("127.0.0.1", 0))
counted = {"threads": 0, "forks": 0, "programs": 0, "connections": 0, "signals": 0, "functions": 0}


def handler(number, frame):
    counted["signals"] += 1


def serve():
    while True:
        connection, _ = server.accept()
        with connection:
            connection.sendall(connection.recv(64))


def connect():
    with socket.create_connection(server.getsockname()) as client:
        client.sendall(b"x" * 64)
        client.recv(64)
    counted["connections"] += 1


def fork():
    child = os.fork()
    if not child:
        os._exit(sum(range(1000)) & 0)
    os.waitpid(child, 0)
    counted["forks"] += 1


def execute():
    child = os.posix_spawn("/bin/true", ["true", str(counted["programs"])], {})
    os.waitpid(child, 0)
    counted["programs"] += 1


def new_function():
    """Reads a file of a new name by a function of a new name, whose code is gone afterwards."""
    name = "function_%d" % counted["functions"]
    scope = {}
    exec(compile("def %s(path):\n    return open(path).read(8)\n" % name, name + ".py", "exec"), scope)
    with tempfile.NamedTemporaryFile(suffix=name) as file:
        scope[name](file.name)
    counted["functions"] += 1


def step():
    began = time.monotonic()
    threads = [threading.Thread(target=connect) for _ in range(3)]
    for thread in threads:
        thread.start()
    fork()
    execute()
    new_function()
    os.kill(os.getpid(), signal.SIGUSR1)
    for thread in threads:
        thread.join()
    counted["threads"] += len(threads)
    if counted["programs"] > FILLED:
        time.sleep(max(0.0, 0.1 - (time.monotonic() - began)))
    return 1


signal.signal(signal.SIGUSR1, handler)
threading.Thread(target=serve, daemon=True).start()
measured(step, lambda: counted)
