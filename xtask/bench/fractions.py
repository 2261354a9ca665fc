"""Four functions that take known shares of the time."""

from time import thread_time
from work import measured

spent = {"fifty": 0.0, "thirty": 0.0, "fifteen": 0.0, "five": 0.0}


def fifty(n):
    for i in range(n):
        i * i


def thirty(n):
    for i in range(n):
        i * i


def fifteen(n):
    for i in range(n):
        i * i


def five(n):
    for i in range(n):
        i * i


def step():
    for work, n in (fifty, 50_000), (thirty, 30_000), (fifteen, 15_000), (five, 5_000):
        began = thread_time()
        work(n)
        spent[work.__name__] += thread_time() - began
    return 1


measured(step, lambda: spent)
