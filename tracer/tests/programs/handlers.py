"""Is sent signals while it does different things, and prints when each handler began. Runs on 2.7 too.

The first argument says how many signals it gets of each kind; `many` sets more handlers than a CPU has debug
registers, `late` sets them when it is traced already, and `child` lets a child do it all.
"""

import ctypes
import math
import os
import select
import signal
import sys
import threading
import time

import protocol

TIMES = int(sys.argv[1])
OTHER_CALLS = 1000

if hasattr(time, "monotonic_ns"):
    now = time.monotonic_ns
elif hasattr(time, "monotonic"):

    def now():
        return int(time.monotonic() * 1e9)

else:

    class Timespec(ctypes.Structure):
        _fields_ = [("sec", ctypes.c_long), ("nsec", ctypes.c_long)]

    clock_gettime = ctypes.PyDLL(None).clock_gettime  # a CDLL's function gives the GIL away first
    timespec = Timespec()
    pointer = ctypes.byref(timespec)

    def now():
        clock_gettime(1, pointer)
        return timespec.sec * 1000000000 + timespec.nsec


began = []
ended = []


def on_signal(number, frame):
    began.append(now())
    ended.append(now())


def on_other(number, frame):
    other_began.append(now())
    ask()
    long_call()


other_began = []


class Bound(object):
    def method(self, number, frame):
        began.append(now())


asked, asking = os.pipe()


def start_sender():
    """A process that sends a signal, a little while after each time that it is asked to; it takes no GIL of ours."""
    receiver = os.getpid()
    if os.fork():
        return
    os.close(asking)
    while os.read(asked, 1):
        time.sleep(0.004)
        os.kill(receiver, signal.SIGUSR1)
    os._exit(0)


def ask():
    os.write(asking, b"x")


def long_call():
    sum(numbers[0])


def make_long():
    """A call that outlasts the sender's pause, on any machine, however busy it is now, by twice what a reason takes."""
    while min(duration(long_call) for _ in range(5)) < 30000000:
        numbers[0] = numbers_to(2 * len(numbers[0]))


def duration(call):
    before = now()
    call()
    return now() - before


numbers_to = getattr(__builtins__, "xrange", range)
numbers = [numbers_to(100000)]


def pure(done):
    ask()
    while not done():
        pass


def c_call(done):
    ask()
    long_call()
    pure_until(done)


def pure_until(done):
    while not done():
        pass


def asleep(done):
    ask()
    while not done():
        time.sleep(0.05)


def wants_gil(done):
    """The main thread comes back from short sleeps, and every time must ask another one for the GIL."""
    spins[0] = True
    thread = threading.Thread(target=spin)
    thread.start()
    asleep(done)
    spins[0] = False
    thread.join()


spins = [False]


def spin():
    while spins[0]:
        pass


def wrong_thread(done):
    """The main thread's mask leaves the signal to a thread that sleeps, and it sleeps itself."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    ask()
    while not done():
        select.select([never], [], [], 0.03)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])


def blocked(done):
    """The mask of the only thread holds the signal back."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    ask()
    time.sleep(0.02)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
    pure_until(done)


def nested(done):
    """The signal comes while the handler of another is busy."""
    os.kill(os.getpid(), signal.SIGUSR2)
    pure_until(done)


def run(work):
    del began[:], ended[:]
    for index in range(TIMES):
        work(lambda: len(began) > index)
    return {"mode": work.__name__, "began": list(began), "ended": list(ended)}


def run_all(works):
    return [run(work) for work in works]


never, _ = os.pipe()


def install():
    signal.signal(signal.SIGUSR1, on_signal)
    signal.signal(signal.SIGUSR2, on_other)
    signal.signal(signal.SIGTERM, Bound().method)
    if "many" in sys.argv:
        for number in [signal.SIGHUP, signal.SIGWINCH, signal.SIGPROF]:
            signal.signal(number, on_signal)


def work():
    for _ in range(OTHER_CALLS):
        math.modf(1.5)  # has its result put together as a handler's arguments are
    modes = run_all([pure, c_call, asleep, wants_gil, nested])
    if hasattr(signal, "pthread_sigmask"):
        modes += run_all([blocked])
        worker = threading.Thread(target=os.read, args=(never, 1))
        worker.daemon = True
        worker.start()
        modes += run_all([wrong_thread])
    del began[:]
    os.kill(os.getpid(), signal.SIGTERM)
    line = on_signal.__code__.co_firstlineno
    handler = {"function": "on_signal", "file": __file__, "line": line}
    protocol.report({"pid": os.getpid(), "modes": modes, "handler": handler})


make_long()
if "late" not in sys.argv:
    install()
if "child" not in sys.argv:
    start_sender()
protocol.ready()
if "child" in sys.argv:
    child = os.fork()
    if child == 0:
        time.sleep(0.1)
        start_sender()
        work()
        os._exit(0)
    os.waitpid(child, 0)
else:
    if "late" in sys.argv:
        install()
        time.sleep(1.5)
    work()
protocol.stay()
