"""Has C call Python a known number of times."""

import protocol

CALLS = 5_000


def key(number):
    return -number


protocol.ready()
sorted(range(CALLS), key=key)
protocol.report({"function": "key", "calls": CALLS})
protocol.stay()
