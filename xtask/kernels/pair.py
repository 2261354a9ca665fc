"""Two processes on one CPU, each calling a function of its own from C a known number of times.

A line on stdin starts them; a line on stdout says that both are done.
"""
import os
import subprocess
import sys

CALLS = 50_000


def first(number):
    return number


def second(number):
    return number


def worker(name):
    function = globals()[name]
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in map(function, range(CALLS)):
        pass
    print("done", flush=True)
    sys.stdin.readline()


def start(name):
    return subprocess.Popen(
        [sys.executable, __file__, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def main():
    os.sched_setaffinity(0, {0})
    workers = [start("first"), start("second")]
    for each in workers:
        each.stdout.readline()
    print("ready", flush=True)
    sys.stdin.readline()
    for each in workers:
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in workers:
        each.stdout.readline()
    print("done", flush=True)
    sys.stdin.readline()
    for each in workers:
        each.communicate()


if __name__ == "__main__":
    main() if len(sys.argv) == 1 else worker(sys.argv[1])
