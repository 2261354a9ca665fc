"""A process without threads, whose first ones are started while it is watched; and a child that it forks then, with threads of
its own. Runs on 2.7 too, whose GIL is made with the first thread, and anew in a child."""

import json
import os
import threading
import time

import protocol

THREADS = 3
SECONDS = 1


def voluntary():
    return protocol.switches(protocol.tid())[0]


def spin(until):
    while time.time() < until:
        pass


def spin_forked(until):
    while time.time() < until:
        pass


def work(spins, truth):
    before = voluntary()
    spins(time.time() + SECONDS)
    truth.append(voluntary() - before)


def waits(spins):
    """How often threads that compute sleep: for the GIL, whenever they do."""
    truth = []
    threads = [threading.Thread(target=work, args=(spins, truth)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(truth)


def of_child():
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, json.dumps(waits(spin_forked)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return json.loads(os.read(read, 64).decode())


protocol.ready()
protocol.report({"spin": waits(spin), "spin_forked": of_child()})
protocol.stay()
