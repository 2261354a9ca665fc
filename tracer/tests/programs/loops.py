"""An event loop with coroutines that block it, and one that does not; prints for how long, by its own clock.

The argument `good` leaves out those that block, and `starves` stands for one that others leave no CPU.
"""

import asyncio
import os
import subprocess
import sys
import threading
import time

import protocol

TIMES = 3
blocked = {"sleeps": [], "crunches": [], "reads": [], "starves": []}


def now():
    return int(time.monotonic() * 1e9)


async def sleeps():
    for _ in range(TIMES):
        began = now()
        time.sleep(0.15)
        blocked["sleeps"].append(now() - began)
        await asyncio.sleep(0.01)


def crunch(until):
    number = 0
    while now() < until:
        for _ in range(1000):
            number += 1


async def crunches():
    for _ in range(TIMES):
        began = now()
        crunch(began + 200000000)
        blocked["crunches"].append(now() - began)
        await asyncio.sleep(0.01)


def write_later(pipe):
    time.sleep(0.12)
    os.write(pipe, b"x")


async def reads():
    source, sink = os.pipe()
    for _ in range(TIMES):
        thread = threading.Thread(target=write_later, args=(sink,))
        thread.start()
        began = now()
        os.read(source, 1)
        blocked["reads"].append(now() - began)
        thread.join()
        await asyncio.sleep(0.01)


async def starves():
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    other = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    os.nice(19)
    for _ in range(TIMES):
        began = now()
        for _ in range(4):
            until = time.process_time() + 0.001
            while time.process_time() < until:
                pass
            time.sleep(0.001)
        blocked["starves"].append(now() - began)
        await asyncio.sleep(0.01)
    other.kill()
    other.wait()


async def behaves():
    for _ in range(200):
        await asyncio.sleep(0.001)
        sum(range(20000))


async def main():
    for work in {"good": [], "starves": [starves]}.get(sys.argv[-1], [sleeps, crunches, reads]):
        task = asyncio.ensure_future(work())
        if hasattr(task, "set_name"):
            task.set_name("named " + work.__name__)
        await task
    await behaves()


protocol.comes_first()
protocol.ready()
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
lines = {work.__name__: work.__code__.co_firstlineno for work in (sleeps, crunches, reads)}
protocol.report({"pid": os.getpid(), "blocked": blocked, "lines": lines, "file": crunch.__code__.co_filename})
protocol.stay()
