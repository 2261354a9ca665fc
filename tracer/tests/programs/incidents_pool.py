"""A pool of which one worker exits in the middle of its work."""

import concurrent.futures
import multiprocessing
import os

import protocol


def leave(number):
    os._exit(9)


def work():
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        try:
            pool.submit(leave, 1).result()
        except concurrent.futures.process.BrokenProcessPool:
            return "broken"


if __name__ == "__main__":
    protocol.ready()
    protocol.report({"pool": work(), "frame": protocol.only_line(leave)})
    protocol.stay()
