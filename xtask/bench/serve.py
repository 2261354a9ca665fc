"""A server of the package index, asked over one connection a request: serve.py gunicorn|gthread|uvicorn. What is
measured is the CPU time that the server's processes take for a request, whoever else is on the machine."""

import os
import socket
import subprocess
import sys
import time
from work import measured

SERVERS = {
    "gunicorn": ["gunicorn", "--workers", "1", "--bind", "127.0.0.1:{port}", "serve_apps:wsgi"],
    "gthread": ["gunicorn", "--threads", "4", "--bind", "127.0.0.1:{port}", "serve_apps:wsgi"],
    "uvicorn": ["uvicorn", "--log-level", "warning", "--port", "{port}", "serve_apps:asgi"],
}
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
ROUND = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port):
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(REQUEST)
        answer = b""
        while piece := peer.recv(65_536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200"), answer


def wait_for(port, server):
    while server.poll() is None:
        try:
            return ask(port)
        except ConnectionRefusedError:
            time.sleep(0.02)
    sys.exit("the server ended")


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return [int(child) for child in file.read().split()]


def cpu_clock(pid):
    # https://github.com/torvalds/linux/blob/v6.12/include/linux/posix-timers_types.h#L12
    return (~pid << 3) | 2


def step():
    for _ in range(ROUND):
        ask(port)
    return ROUND


def serve():
    command = [word.format(port=port) for word in SERVERS[sys.argv[1]]]
    server = subprocess.Popen([sys.executable, "-B", "-m", *command], stderr=subprocess.DEVNULL)
    try:
        wait_for(port, server)
        pids = [server.pid, *children(server.pid)]
        print("target", *pids, flush=True)
        measured(step, cpu=lambda: sum(time.clock_gettime(cpu_clock(pid)) for pid in pids))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    port = free_port()
    serve()
