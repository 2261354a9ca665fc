"""Sleeps."""

import time
from work import measured


def step():
    time.sleep(0.1)
    return 1


measured(step)
