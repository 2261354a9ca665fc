"""Threads that sleep until another one wakes them up, or until time is up, each at a line that it prints."""

import os
import select
import signal
import socket
import tempfile
import threading
import time

import protocol

ROUNDS = 40
PAUSE = 0.003
BLOCK = b"x" * (1 << 22)

lock = threading.Lock()
lock.acquire()
pipe = os.pipe()
quiet = os.pipe()
spool = tempfile.TemporaryFile()
near, far = socket.socketpair()


def takes_lock():
    lock.acquire()


def gives_lock():
    lock.release()


def reads_pipe():
    os.read(pipe[0], 1)


def writes_pipe():
    os.write(pipe[1], b"x")


def receives():
    near.recv(1)


def sends():
    far.send(b"x")


def waits_for_child():
    os.waitpid(children.pop(), 0)


def sleeps():
    time.sleep(PAUSE)


def gives_up():
    never.acquire(True, PAUSE)


def polls():
    select.select([quiet[0]], [], [], PAUSE)


never = threading.Lock()
never.acquire()
children = []


def wait(work, begun):
    for _ in range(ROUNDS):
        begun.append(protocol.tid())
        work()


def wake(work, begun, ids, call):
    ids.append(protocol.tid())
    for turn in range(ROUNDS):
        while len(begun) <= turn:
            time.sleep(0.0005)
        protocol.until_asleep_in(call, os.getpid(), begun[turn])
        work()


def pair(waiter, waker, call):
    """The waiter goes to sleep ROUNDS times in this system call, and is asleep before it is woken up."""
    begun, ids = [], []
    threads = [
        threading.Thread(target=wait, args=[waiter, begun]),
        threading.Thread(target=wake, args=[waker, begun, ids, call]),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"waiter": protocol.only_line(waiter), "tid": ids[0], "waker": protocol.only_line(waker), "count": ROUNDS}


def child():
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        protocol.until_asleep_in(protocol.WAIT4, parent)
        os._exit(0)
    children.append(pid)
    waits_for_child()
    return {"waiter": protocol.only_line(waits_for_child), "tid": pid, "waker": None, "count": 1}


def alone():
    """Time wakes them up, while on every CPU somebody is in a call that could."""
    busy = [write_for_ever() for _ in range(os.cpu_count())]
    for _ in range(ROUNDS):
        sleeps()
        gives_up()
        polls()
    for pid in busy:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return [protocol.only_line(sleeps), protocol.only_line(gives_up), protocol.only_line(polls)]


def write_for_ever():
    pid = os.fork()
    while pid == 0:
        os.pwrite(spool.fileno(), BLOCK, 0)
    return pid


protocol.ready()
woken = [
    pair(takes_lock, gives_lock, protocol.FUTEX),
    pair(reads_pipe, writes_pipe, protocol.READ),
    pair(receives, sends, protocol.RECVFROM),
    child(),
]
protocol.report({"woken": woken, "alone": alone()})
protocol.stay()
