"""Sends signals of every origin, to itself and to its children, one after another."""

import ctypes
import os
import signal
import threading
import time

import protocol

PID = os.getpid()
arrived = []


def handler(number, frame):
    arrived.append(number)


def wait_for(count):
    while len(arrived) < count:
        time.sleep(0.001)
    assert len(arrived) == count, arrived


def row(number, origin, sender, target, group, disposition="python", outcome="handled"):
    """Sender and target are (pid, tid); a sender of None is the kernel."""
    return {
        "number": int(number),
        "origin": origin,
        "sender": sender and {"pid": sender[0], "tid": sender[1]},
        "target": {"pid": target[0], "tid": target[1], "group": group},
        "disposition": disposition,
        "outcome": outcome,
    }


def to_itself(main):
    os.kill(PID, signal.SIGUSR1)
    wait_for(1)
    ctypes.CDLL(None).sigqueue(PID, int(signal.SIGRTMIN), ctypes.c_void_p(7))
    wait_for(2)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    wait_for(3)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    os.kill(PID, signal.SIGUSR2)
    os.kill(PID, signal.SIGUSR2)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
    wait_for(4)
    return [
        row(signal.SIGUSR1, "kill", main, main, True),
        row(signal.SIGRTMIN, "sigqueue", main, main, True),
        row(signal.SIGALRM, "timer", None, main, True),
        row(signal.SIGUSR2, "kill", main, main, True),
        row(signal.SIGUSR2, "kill", main, main, True, outcome="coalesced"),
    ]


def between_threads(main):
    """A thread that sleeps in read() gets one, and sends one to the main thread."""
    reader, writer = os.pipe()

    def work():
        os.read(reader, 1)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR2)
        os.read(reader, 1)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    worker = (PID, thread.native_id)
    protocol.until_parked([thread.native_id])
    signal.pthread_kill(thread.ident, signal.SIGUSR1)
    wait_for(5)
    os.write(writer, b"1")
    wait_for(6)
    os.write(writer, b"2")
    thread.join()
    return [
        row(signal.SIGUSR1, "tgkill", main, worker, False),
        row(signal.SIGUSR2, "tgkill", worker, main, False),
    ]


def child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return pid


def to_the_group(main):
    ready, ready_writer = os.pipe()

    def work():
        before = len(arrived)
        os.write(ready_writer, b"r")
        while len(arrived) == before:
            time.sleep(0.001)

    pid = child(work)
    os.read(ready, 1)
    os.killpg(PID, signal.SIGUSR1)
    wait_for(7)
    os.waitpid(pid, 0)
    return [
        row(signal.SIGUSR1, "kill", main, main, True),
        row(signal.SIGUSR1, "kill", main, (pid, pid), True),
    ]


def deadly(main):
    faulted = child(lambda: ctypes.string_at(0))
    assert os.WTERMSIG(os.waitpid(faulted, 0)[1]) == signal.SIGSEGV
    killed = child(signal.pause)
    os.kill(killed, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(killed, 0)[1]) == signal.SIGKILL
    return [
        row(signal.SIGSEGV, "fault", None, (faulted, faulted), False, "default", "killed"),
        row(signal.SIGKILL, "kill", main, (killed, killed), True, "default", "killed"),
    ]


for number in [signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGTERM, signal.SIGRTMIN]:
    signal.signal(number, handler)
protocol.ready()
main = (PID, threading.main_thread().native_id)
rows = to_itself(main) + between_threads(main) + to_the_group(main) + deadly(main)
protocol.report({"rows": rows, "children_ended": 3})
protocol.stay()
