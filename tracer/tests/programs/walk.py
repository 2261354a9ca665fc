# -*- coding: utf-8 -*-
"""Threads that sleep below every kind of frame, wake up and sleep again at the same place. Runs on 2.7 too."""

import os
import sys
import threading

import protocol

try:
    from _thread import start_new_thread
except ImportError:
    from thread import start_new_thread

WAKEUPS = 5
LONG_NAME = "n" * 10000
MANY_LINES = 45000

sys.setrecursionlimit(3000)
threading.stack_size(64 << 20)


def park(fd):
    while os.read(fd, 1): pass  # one line, for a thread may lose its CPU, or the GIL, anywhere in the loop


def recursion(depth):
    def descend(fd, left):
        return park(fd) if left == 2 else descend(fd, left - 1)

    return lambda fd: descend(fd, depth - 1)


def generator(fd):
    def generate():
        yield park(fd)

    for _ in generate():
        pass


def generator_expression(fd):
    list(park(fd) for _ in range(1))


def comprehension(fd):
    [[park(fd) for _ in range(1)] for _ in range(1)]


def dictionary_comprehension(fd):
    {park(fd): None for _ in range(1)}


def class_body(fd):
    class Outer:
        class Inner:
            park(fd)


def method(fd):
    class Owner(object):
        def __init__(self):
            self.value

        @property
        def value(self):
            return park(fd)

    Owner()


class Parks(object):
    def __init__(self, fd):
        fd is None or park(fd)


def constructor(fd):
    return Parks(fd)


def specialized(fd):
    """From 3.13 on, a call of a class that has been made often enough has a frame of CPython's own below it."""
    for _ in range(100):
        constructor(None)
    constructor(fd)


def called_by_c(fd):
    sorted([1], key=lambda _: list(map(park, [fd])))


def executed(fd):
    exec("def inner(fd):\n    park(fd)\n\ninner(fd)\n", {"park": park, "fd": fd})


def finalizer(fd):
    class Owner(object):
        def __del__(self):
            park(fd)

    Owner()


def handled(fd):
    try:
        raise KeyError
    except KeyError:
        try:
            raise ValueError
        finally:
            park(fd)


def made(source, name):
    """A function from generated source."""
    scope = {"park": park, "os": os}
    exec(compile(source, "<generated>", "exec"), scope)
    return scope[name]


def long_name():
    return made("def %s(fd):\n    park(fd)\n" % LONG_NAME, LONG_NAME)


def many_lines():
    """Its line table takes more than 64 KiB, and both its ends are needed."""
    body = "    x = 0\n" * MANY_LINES
    return made("def lines(fd, again=True):\n    if again: lines(fd, False)\n%s    park(fd)\n" % body, "lines")


def many_lines_itself():
    """Its innermost frame is at the far end of such a table."""
    body = "    x = 0\n" * MANY_LINES
    return made("def lines_itself(fd):\n%s    while os.read(fd, 1): pass\n" % body, "lines_itself")


def lines_up():
    """A statement that goes back to earlier lines."""
    return made("def up(fd):\n    (\n        park\n\n    )(\n        fd\n    )\n", "up")


UNICODE = """
class Größe:
    def метод(self, fd):
        def 関数():
            return (lambda 𝒳: park(fd))(0)

        return 関数()


def unicode(fd):
    Größe().метод(fd)
"""

COROUTINES = """
async def inner(fd):
    park(fd)


async def generate(fd):
    yield await inner(fd)


async def outer(fd):
    async for _ in generate(fd):
        pass


def coroutine(fd):
    outer(fd).send(None)
"""

DELEGATION = """
def delegates(fd):
    def inner():
        yield park(fd)

    def outer():
        yield from inner()

    list(outer())
"""

ASYNCIO = """
import asyncio


async def task(fd):
    await asyncio.gather(*[step(fd) for _ in range(1)])


async def step(fd):
    async with asyncio.Lock():
        [park(fd) async for _ in numbers()]


async def numbers():
    yield 1


def event_loop(fd):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(task(fd))
"""


def shapes():
    yield park  # depth 1
    for depth in 10, 100, 1000:
        yield recursion(depth)
    for function in (
        generator,
        generator_expression,
        comprehension,
        dictionary_comprehension,
        class_body,
        method,
        specialized,
        called_by_c,
        executed,
        finalizer,
        handled,
    ):
        yield function
    yield lambda fd: (lambda: park(fd))()
    yield long_name()
    yield many_lines()
    yield many_lines_itself()
    yield lines_up()
    if sys.version_info[0] == 3:
        yield made(UNICODE, "unicode")
        yield made(COROUTINES, "coroutine")
        yield made(DELEGATION, "delegates")
        yield made(ASYNCIO, "event_loop")


class Thread:
    """A thread whose outermost Python frame is the given function's."""

    def __init__(self, function):
        fd, self.pipe = os.pipe()
        before = set(os.listdir("/proc/self/task"))
        self.ident = start_new_thread(function, (fd,))
        (tid,) = set(os.listdir("/proc/self/task")) - before
        self.tid = int(tid)
        protocol.until_parked([self.tid])

    def wake(self):
        os.write(self.pipe, b"x")


threads = [Thread(function) for function in shapes()]
protocol.ready()
for _ in range(WAKEUPS):
    for thread in threads:
        thread.wake()
    protocol.until_parked([thread.tid for thread in threads])
frames = sys._current_frames()
protocol.report([{"tid": thread.tid, "wakeups": WAKEUPS, "stack": protocol.stack(frames[thread.ident])} for thread in threads])
protocol.stay()
