"""Has C call Python a known number of times."""

import told

CALLS = 5_000


def key(number):
    return -number


told.ready()
sorted(range(CALLS), key=key)
told.tell({"function": "key", "calls": CALLS})
told.stay()
