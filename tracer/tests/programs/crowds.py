"""Three thousand threads that wait for a line that never comes; from 3.12 on also two interpreters beside the main one, with
a GIL and two threads each. When asked to, one thread of each interpreter never lets go of its GIL, and one wants it. Runs on
2.7 too."""

import os
import sys
import threading

import protocol

THREADS = 3000

BESIDE = """
import os, threading

def waits():
    os.read(NEVER, 1)

def begins():
    os.read(GO, 1)

def hogs():
    while True:
        sum(range(1 << 31))

def contends():
    os.write(BEGUN, b"x")
    while True:
        pass

def tid():
    return os.path.basename(os.readlink("/proc/thread-self")).encode()

waiter = threading.Thread(target=lambda: os.write(SAYS, tid() + b" waits ") and waits())
waiter.start()
os.write(SAYS, tid() + b" begins ")
begins()
threading.Thread(target=contends).start()
hogs()
"""

never = os.pipe()
threading.stack_size(256 << 10)


def wait(depth):
    return wait(depth - 1) if depth else os.read(never[0], 1)


def beside(says, go, begun):
    """Runs another interpreter in this thread, and does not come back."""
    source = BESIDE
    for name, fd in (("NEVER", never[0]), ("SAYS", says), ("GO", go), ("BEGUN", begun)):
        source = source.replace(name, str(fd))
    if sys.version_info >= (3, 14):
        from concurrent import interpreters

        getattr(interpreters.create(), "exec")(source)  # a keyword of 2.7
    elif sys.version_info >= (3, 13):
        import _interpreters

        _interpreters.run_string(_interpreters.create(), source)
    else:
        import _xxsubinterpreters

        _xxsubinterpreters.run_string(_xxsubinterpreters.create(), source)


def contend(begun):
    os.write(begun, b"x")
    while True:
        pass


def hog():
    while True:
        sum(range(1 << 31))


def others(pipe):
    """What the threads of the other interpreters say: which one is in which function."""
    words = []
    while len(words) < 8:
        words += os.read(pipe, 4096).split()
    return [{"tid": int(tid), "function": function.decode()} for tid, function in zip(words[::2], words[1::2])]


said, says = os.pipe()
go_on, go = os.pipe()
began, begun = os.pipe()
has_others = sys.version_info >= (3, 12)
waiting = [protocol.start_new_thread(wait, (5,)) for _ in range(THREADS)]
for _ in range(2 if has_others else 0):
    threading.Thread(target=beside, args=(says, go_on, begun), daemon=True).start()
beside_main = others(said) if has_others else []
main = os.getpid()
protocol.until_parked([int(tid) for tid in os.listdir("/proc/self/task") if int(tid) != main])
protocol.ready()
protocol.report({"threads": THREADS, "others": beside_main})

sys.stdin.readline()
os.write(go, b"xx")
protocol.start_new_thread(contend, (begun,))
left = 3 if has_others else 1
while left:
    left -= len(os.read(began, left))
protocol.report({})
hog()
