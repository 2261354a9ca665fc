"""An event loop that turns a hundred times a second, and stands still for 300 ms in a function that the test names."""

import asyncio
import sys
import time

import protocol


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
    protocol.say("done")


async def turn():
    while True:
        await asyncio.sleep(0.01)


async def main():
    asyncio.get_running_loop().add_reader(sys.stdin, hear)
    await turn()


protocol.ready()
protocol.report(None)
asyncio.run(main())
