"""A loop of calls, and nothing else."""

from work import measured


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def step():
    fib(16)
    return 1


measured(step)
