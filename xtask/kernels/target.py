"""Does a known amount of everything, once its tracer is there: a line on stdin says so, a line on stdout that it is done."""
import os
import signal
import subprocess
import sys
import threading
import time

READS, SLEEPS, SIGNALS, ZOMBIES = 500, 40, 20, 3


def read_stat():
    for _ in range(READS):
        descriptor = os.open("/proc/self/stat", os.O_RDONLY)
        os.read(descriptor, 16)  # the read
        os.close(descriptor)


def rest():
    for _ in range(SLEEPS):
        time.sleep(0.05)  # the sleep


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))  # the spin


def main():
    handled = []
    signal.signal(signal.SIGUSR1, lambda number, frame: handled.append(number))
    print("ready", flush=True)
    sys.stdin.readline()
    read_stat()
    sleeper = threading.Thread(target=rest)
    sleeper.start()
    sleeper.join()
    for sent in range(SIGNALS):
        os.kill(os.getpid(), signal.SIGUSR1)
        while len(handled) <= sent:
            pass
    children = [subprocess.Popen(["/usr/bin/busybox", "true"]) for _ in range(ZOMBIES)]  # the spawn
    spin(2)
    print("done", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
