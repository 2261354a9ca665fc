"""Two threads that wait for each other, from before anybody looks."""

import threading

import protocol

first, second = threading.Lock(), threading.Lock()
both_hold_one = threading.Barrier(2)


def want_second():
    second.acquire()


def want_first():
    first.acquire()


def hold(mine, want_other):
    with mine:
        both_hold_one.wait()
        want_other()


threads = [
    threading.Thread(target=hold, args=[first, want_second], daemon=True),
    threading.Thread(target=hold, args=[second, want_first], daemon=True),
]
for thread in threads:
    thread.start()
protocol.until_parked([thread.native_id for thread in threads])
protocol.ready()
protocol.report([protocol.only_line(want_second), protocol.only_line(want_first)])
protocol.stay()
