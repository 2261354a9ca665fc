"""Opens files of /proc, reads them by lines, closes them."""

from work import measured

PATHS = ["/proc/self/stat", "/proc/self/status", "/proc/loadavg", "/proc/meminfo"]


def step():
    for path in PATHS:
        with open(path) as file:
            for _ in file:
                pass
    return len(PATHS)


measured(step)
