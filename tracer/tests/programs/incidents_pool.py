"""A pool of which one worker exits in the middle of its work."""

import concurrent.futures
import multiprocessing
import os

import told


def leave(number):
    os._exit(9)


def work():
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        try:
            pool.submit(leave, 1).result()
        except concurrent.futures.process.BrokenProcessPool:
            return "broken"


if __name__ == "__main__":
    told.ready()
    told.tell({"pool": work(), "frame": told.only_line(leave)})
    told.stay()
