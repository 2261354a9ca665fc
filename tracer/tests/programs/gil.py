"""Reads a /proc file in small pieces, alone and then beside threads that want the GIL all the time."""

import os
import threading

import told

PIECE = 16


def read_piece(fd):
    return os.read(fd, PIECE)


def read_alone(fd):
    return os.read(fd, PIECE)


def spin():
    while True:
        pass


def read(calls, read_once):
    """So many reads, rewinding at the end; and the switches of this thread meanwhile."""
    fd = os.open("/proc/self/status", os.O_RDONLY)
    before = told.switches(threading.get_native_id())[0]
    for _ in range(calls):
        if not read_once(fd):
            os.lseek(fd, 0, os.SEEK_SET)
    after = told.switches(threading.get_native_id())[0]
    os.close(fd)
    return {"frame": told.only_line(read_once), "calls": calls, "voluntary": after - before}


def in_a_thread():
    truth = {}
    reader = threading.Thread(target=lambda: truth.update(read(400, read_piece)))
    reader.start()
    reader.join()
    return truth


told.ready()
alone = read(5000, read_alone)
for _ in range(3):
    threading.Thread(target=spin, daemon=True).start()
told.tell({"alone": alone, "contended": in_a_thread()})
told.stay()
