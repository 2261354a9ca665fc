"""An event loop that turns a hundred times a second, and stands still for 300 ms in a function that the test names."""

import asyncio
import sys
import time

import protocol


def stand_still():
    time.sleep(0.3)  # not at work: on a busy machine it might wait for a CPU most of the time, which is no line's doing


def first():
    stand_still()


def second():
    stand_still()


def third():
    stand_still()


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
