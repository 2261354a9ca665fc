"""A pool of processes of which one is killed, and replaced."""

import multiprocessing
import os
import signal
import time

import protocol


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def replace_one(pool):
    before = {process.pid for process in pool._pool}
    victim = min(before)
    kill(victim)
    while True:
        new = {process.pid for process in pool._pool} - before
        if new:
            return {"victim": victim, "replacement": new.pop(), "frame": protocol.only_line(kill)}
        time.sleep(0.01)


if __name__ == "__main__":
    protocol.ready()
    # Never to be ended: the victim may have held the lock that this takes.
    pool = multiprocessing.get_context("fork").Pool(2)
    pool.map(abs, range(4))
    protocol.report(replace_one(pool))
    protocol.stay()
