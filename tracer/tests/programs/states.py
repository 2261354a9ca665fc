"""Three seconds of each: one thread that computes, one that sleeps, two that compute."""

import threading
import time

import protocol

SECONDS = 3


def spin(until):
    while time.monotonic() < until:
        pass


def clock_ns():
    return int(time.monotonic() * 1e9)


protocol.ready()
began = [clock_ns()]
spin(time.monotonic() + SECONDS)
began.append(clock_ns())
time.sleep(SECONDS)
began.append(clock_ns())
until = time.monotonic() + SECONDS
other = threading.Thread(target=spin, args=[until])
other.start()
spin(until)
other.join()
protocol.report({"began": began, "ended": clock_ns()})
