"""Reads a file as the first thing it does, in small pieces, and again a little later."""

import os
import sys
import time


def read_all(path):
    fd = os.open(path, os.O_RDONLY)
    while os.read(fd, 100):
        pass
    os.close(fd)


read_all(sys.argv[1])
time.sleep(0.5)
read_all(sys.argv[1])
