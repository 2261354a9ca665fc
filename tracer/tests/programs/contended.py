"""Three phases, one a line: two threads want the GIL all the time; none does; one thread computes and sleeps with the GIL in
hand, and nobody waits for it."""

import ctypes
import sys
import threading
import time

import protocol

ALONE = 1.0


def spin(stop):
    while not stop:
        pass


def alone():
    until = time.monotonic() + ALONE
    while time.monotonic() < until:
        sum(range(20000))
        libc.usleep(500)  # called with the GIL in hand


protocol.comes_first()  # who is preempted returns once more, and is seen to
libc = ctypes.PyDLL(None)
never = threading.Event()
threading.Thread(target=never.wait, daemon=True).start()
protocol.ready()
stop = []
threads = [threading.Thread(target=spin, args=[stop]) for _ in range(2)]
for thread in threads:
    thread.start()
protocol.say("contended")
sys.stdin.readline()
stop.append(True)
for thread in threads:
    thread.join()
alone()
protocol.report({})
protocol.stay()
