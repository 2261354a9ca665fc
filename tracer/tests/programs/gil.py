"""Reads a /proc file in small pieces, alone and then beside threads that want the GIL all the time."""

import os
import threading

import protocol

PIECE = 16


def read_piece(fd):
    return os.read(fd, PIECE)


def read_alone(fd):
    return os.read(fd, PIECE)


def spin():
    while True:
        pass


def read(read_once, is_enough):
    """Reads until it is enough, rewinding at the end; and the switches of this thread meanwhile."""
    fd = os.open("/proc/self/status", os.O_RDONLY)
    before = switches()
    calls = pieces(fd, read_once, lambda calls: is_enough(calls, before))
    after = switches()
    os.close(fd)
    return {"frame": protocol.only_line(read_once), "calls": calls, "voluntary": after - before}


def pieces(fd, read_once, is_enough):
    """All that happens in here lies between the two reads of the kernel's count."""
    calls = 0
    while not is_enough(calls):
        for _ in range(2500):
            calls += 1
            if not read_once(fd):
                os.lseek(fd, 0, os.SEEK_SET)
    return calls


def switches():
    return protocol.switches(threading.get_native_id())[0]


def in_a_thread():
    truth = {}
    # How often the others want the GIL depends on how busy the machine is.
    reader = threading.Thread(
        target=lambda: truth.update(read(read_piece, lambda _, before: switches() - before > 100))
    )
    reader.start()
    reader.join()
    return truth


protocol.ready()
alone = read(read_alone, lambda calls, _: calls == 5000)
for _ in range(3):
    threading.Thread(target=spin, daemon=True).start()
protocol.report({"alone": alone, "contended": in_a_thread()})
protocol.stay()
