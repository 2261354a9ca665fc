"""A small shop in its busiest hour: a program for `tracer` to trace.

It runs until its stdin closes (Ctrl-D), prints `ready` once it is busy, and
does on purpose what slows real services down:

* three tills compute prices in Python, so everybody waits for the GIL;
* the manager reads /proc/self/stat through a 16-byte keyhole;
* couriers are sent out and never signed back in: zombies;
* a bell rings (SIGUSR1) that the main thread may be too busy to hear;
* orders and their customers refer to each other: work for the collector.
"""

import gc
import itertools
import os
import select
import signal
import subprocess
import sys
import threading
import time

PRICES = [199, 250, 1299, 75, 480]
rings = 0


class Customer:
    """Knows the orders made, each of which knows its customer: a cycle."""

    def __init__(self):
        self.orders = [Order(self, price) for price in PRICES]


class Order:
    def __init__(self, customer, price):
        self.customer = customer
        self.price = price


def till():
    """Serves customers without a pause: pure Python, the GIL always wanted."""
    while True:
        customer = Customer()
        sum(with_tax(order.price) for order in customer.orders)


def with_tax(price):
    return price + price * 19 // 100


def manager():
    """Asks the kernel how busy the shop is, in pieces far too small."""
    while True:
        with open("/proc/self/stat", "rb", buffering=0) as stat:
            while stat.read(16):
                pass
        time.sleep(0.01)


def hear_bell(signum, frame):
    global rings
    rings += 1
    count_the_shelves()


def count_the_shelves():
    """Takes a few milliseconds: the next ring may have to wait for it."""
    return sum(range(100_000))


def send_courier():
    """Returns the courier, for nobody to wait for."""
    return subprocess.Popen(["sleep", "1"])


def main():
    signal.signal(signal.SIGUSR1, hear_bell)
    for job in (till, till, till, manager):
        threading.Thread(target=job, name=job.__name__, daemon=True).start()
    couriers = []
    print(f"ready: PID {os.getpid()}", flush=True)
    for second_tenth in itertools.count():
        if select.select([sys.stdin], [], [], 0.1)[0]:
            break
        os.kill(os.getpid(), signal.SIGUSR1)
        gc.collect()
        if second_tenth % 30 == 10:
            couriers.append(send_courier())
    print(f"closed after {rings} rings; {len(couriers)} couriers are still out", file=sys.stderr)


if __name__ == "__main__":
    main()
