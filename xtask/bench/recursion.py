"""Works at the bottom of a recursion: python recursion.py DEPTH"""

import sys
from work import measured

sys.setrecursionlimit(10_000)


def down(levels):
    if levels:
        down(levels - 1)
    else:
        measured(step)


def step():
    for i in range(20_000):
        i * i
    return 1


down(int(sys.argv[1]))
