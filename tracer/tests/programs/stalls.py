"""An event loop that turns a hundred times a second, and stands still for 300 ms in a function that it is told."""

import asyncio
import sys
import time

import told


def busy():
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        sum(range(1000))


def first():
    busy()


def second():
    busy()


def third():
    busy()


def hear():
    line = sys.stdin.readline().strip()
    if not line:
        raise SystemExit
    {"first": first, "second": second, "third": third}[line]()
    told.say("done")


async def turn():
    while True:
        await asyncio.sleep(0.01)


async def main():
    asyncio.get_running_loop().add_reader(sys.stdin, hear)
    await turn()


told.ready()
told.tell(None)
asyncio.run(main())
