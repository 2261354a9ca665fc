"""A WSGI application whose requests end their worker, or keep it asleep."""

import os
import time

os.write(1, b"worker %d\n" % os.getpid())  # in one piece: others write there too


def leave():
    os._exit(9)


def asleep():
    time.sleep(60)


def app(environ, start_response):
    {"/leave": leave, "/asleep": asleep}[environ["PATH_INFO"]]()
