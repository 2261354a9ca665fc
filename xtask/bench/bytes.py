"""Reads of one byte, alone or beside threads that want the GIL: python bytes.py CONTENDERS"""

import os
import sys
import threading
from work import measured

file = os.open("/dev/zero", os.O_RDONLY)


def spin():
    while True:
        for i in range(10_000):
            i * i


def step():
    read = os.read
    for _ in range(1_000):
        read(file, 1)
    return 1_000


for _ in range(int(sys.argv[1])):
    threading.Thread(target=spin, daemon=True).start()
measured(step)
