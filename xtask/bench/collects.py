"""Makes cycles, so that the garbage collector runs often."""

from work import measured

held = [{"number": n, "cells": [[n]] * 3} for n in range(5_000)]


class Node:
    def __init__(self):
        self.other = self


def step():
    for _ in range(2_000):
        Node()
    return 2_000


measured(step)
