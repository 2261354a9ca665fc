"""One thread holds the GIL for long, in one C call or asleep, while another one wants it."""

import ctypes
import sys
import threading
import time

import protocol

ROUNDS = 4
NAP = 0.15
# Until the other thread wants it, however busy the machine is.
BEFORE = 0.05

numbers = [(index * 7919) % 100003 for index in range(1000000)]


def holds():
    sorted(numbers)


def is_waited_for():
    libc.usleep(int(BEFORE * 1e6))


def naps():
    libc.usleep(int(NAP * 1e6))


def wants():
    sum(range(1000))


def pauses():
    time.sleep(0.0005)


def want(done):
    while not done:
        wants()
        pauses()


def timed(work, times):
    spent = []
    for _ in range(times):
        time.sleep(0.002)
        is_waited_for()
        begin = time.monotonic()
        work()
        spent.append(time.monotonic() - begin)
    return {"frame": protocol.only_line(work), "count": times, "ns": int(1e9 * sum(spent)), "tid": protocol.tid()}


# Functions of a PyDLL are called with the GIL in hand, and nobody is made to give it away between two calls.
libc = ctypes.PyDLL(None)
sys.setswitchinterval(100)
done = []
protocol.comes_first()
other = threading.Thread(target=want, args=[done])
other.start()
protocol.ready()
truth = {"held": timed(holds, ROUNDS), "slept": timed(naps, ROUNDS)}
done.append(True)
other.join()
truth["pauses"] = protocol.only_line(pauses)
protocol.report(truth)
protocol.stay()
