"""Calls itself at two places of one line, for seven seconds of CPU time."""

import time

import protocol

SECONDS = 7


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


protocol.ready()
while time.process_time() < SECONDS:
    fib(24)
protocol.report({})
protocol.stay()
