"""A WSGI application whose requests end their worker, or keep it asleep."""

import os
import time

print("worker %d" % os.getpid(), flush=True)


def leave():
    os._exit(9)


def asleep():
    time.sleep(60)


def app(environ, start_response):
    {"/leave": leave, "/asleep": asleep}[environ["PATH_INFO"]]()
