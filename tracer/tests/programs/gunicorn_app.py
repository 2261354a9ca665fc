"""A WSGI application, and its server's configuration: workers that are stuck in C, in a loop, asleep."""

import os
import time

bind = os.environ.get("TRACER_TEST_BIND")
workers = 3
timeout = 2
graceful_timeout = 1


def post_worker_init(worker):
    print("worker %d" % worker.pid, flush=True)


def in_c():
    sum(range(10**12))


def in_a_loop():
    while True:
        pass


def asleep():
    time.sleep(60)


def app(environ, start_response):
    stuck = {"/in_c": in_c, "/in_a_loop": in_a_loop, "/asleep": asleep}
    stuck[environ["PATH_INFO"]]()
