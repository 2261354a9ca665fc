"""A web server with a thread for each request, and a client of its own in another process."""

import os
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from work import measured


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"x" * 2_000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True


def ask(port):
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while peer.recv(65_536):
            pass


def serve_client(port, wanted, answered):
    while os.read(wanted, 1):
        for _ in range(20):
            ask(port)
        os.write(answered, b".")
    os._exit(0)


server = Server(("127.0.0.1", 0), Handler)
(wanted, want), (answer, answered) = os.pipe(), os.pipe()
if not os.fork():
    os.close(want)
    serve_client(server.server_port, wanted, answered)
Thread(target=server.serve_forever, daemon=True).start()


def step():
    os.write(want, b".")
    os.read(answer, 1)
    return 20


measured(step)
