"""Another interpreter beside the main one. From 3.12 on two of its threads compute, with a GIL of their own; with the argument
`visits` one does, while the main thread goes over to that interpreter again and again; with `collects` the main thread
collects garbage meanwhile. 2.7's sleeps, while one of the oldest
of many threads of the main one reads. Runs on 2.7 too."""

import gc
import os
import sys
import threading
import time

import protocol

READS = 20
CROWD = 1100

COMPUTES = """
import os, threading, time

def spin(until):
    while time.monotonic() < until:
        pass

def voluntary():
    with open("/proc/thread-self/status") as status:
        return int(status.read().split("\\nvoluntary_ctxt_switches:")[1].split()[0])

def work():
    before = voluntary()
    spin(time.monotonic() + 3)
    truth.append(voluntary() - before)

truth = []
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
os.write(%d, str(sum(truth)).encode())
"""


VISITED = """
import threading, time

def spin(until):
    while time.monotonic() < until:
        pass

threading.Thread(target=spin, args=[time.monotonic() + 2]).start()
"""
VISITS = 100
kept = []


def module():
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    return interpreters


def visit(interpreters, other):
    interpreters.run_string(other, "pass")


def visits():
    interpreters = module()
    other = interpreters.create()
    kept.append(other)  # 3.12 ends an interpreter that nobody refers to
    interpreters.run_string(other, VISITED)
    waits = 0
    for _ in range(VISITS):
        time.sleep(0.005)  # until the GIL has been taken back there
        before = protocol.switches(protocol.tid())[0]
        visit(interpreters, other)
        waits += protocol.switches(protocol.tid())[0] - before
    return {"waits": waits}


class Node:
    def __init__(self):
        self.itself = self


def collects():
    """Nobody waits for the main interpreter's GIL."""
    interpreters = module()
    read, write = os.pipe()
    computing = threading.Thread(target=interpreters.run_string, args=(interpreters.create(), COMPUTES % write))
    computing.start()
    for _ in range(3):
        time.sleep(0.3)
        nodes = [Node() for _ in range(100000)]
        gc.collect()
        del nodes
    os.read(read, 64)
    computing.join()
    return {}


def computes():
    interpreters = module()
    read, write = os.pipe()
    interpreters.run_string(interpreters.create(), COMPUTES % write)
    return {"waits": int(os.read(read, 64))}


def reads(fd):
    while os.read(fd, 1): pass  # one line, for a thread may lose its CPU anywhere in the loop


def sleeps():
    import ctypes

    python = ctypes.PyDLL(None)
    # No other thread may take the GIL before the new interpreter's code runs: this one would not know its own state.
    sys.setcheckinterval(1 << 30)
    python.Py_NewInterpreter() and python.PyRun_SimpleString(b"import time\ntime.sleep(3600)")


def crowd():
    fd, pipe = os.pipe()
    threading.stack_size(256 << 10)
    tid, _ = protocol.start(lambda: reads(fd))
    never = os.pipe()[0]
    for _ in range(CROWD):
        protocol.start_new_thread(os.read, (never, 1))
    protocol.start(sleeps)
    time.sleep(1)  # until the other interpreter is the newest
    protocol.ready()
    for _ in range(READS):
        os.write(pipe, b"x")
        protocol.until_parked([tid])
    return {"tid": tid, "reads": READS}


if sys.version_info[0] == 2:
    protocol.report(crowd())
else:
    protocol.ready()
    protocol.report({"visits": visits, "collects": collects, "": computes}["".join(sys.argv[1:])]())
protocol.stay()
