"""Signals with every outcome there is, in itself and in its children, one after another."""

import asyncio
import ctypes
import faulthandler
import os
import signal
import sys
import threading
import time

import protocol

PID = os.getpid()
sleeper = int(sys.argv[1])
rows = []


def expect(number, origin, target, disposition, outcome, **more):
    """A row as the report has it; what is not given is not compared."""
    row = {"number": int(number), "origin": origin, "pid": target, "disposition": disposition, "outcome": outcome}
    row.update(more)
    rows.append(row)


def line(function, offset):
    code = function.__code__
    return {"function": code.co_name, "file": code.co_filename, "line": code.co_firstlineno + offset}


def first_line(function):
    return line(function, 0)


def as_keyboard_interrupt():
    try:
        os.kill(PID, signal.SIGINT)
        time.sleep(5)
    except KeyboardInterrupt:
        pass
    expect(signal.SIGINT, "kill", PID, "python", "handled", state="started")


def as_broken_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        os.write(writer, b"x")
    except BrokenPipeError:
        pass
    expect(signal.SIGPIPE, "kernel", PID, "ignored", "ignored", state="none")


def of_a_child():
    heard = []
    signal.signal(signal.SIGCHLD, lambda number, frame: heard.append(number))
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    while not heard:
        time.sleep(0.001)
    os.waitpid(pid, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    expect(signal.SIGCHLD, "child", PID, "python", "handled", state="started", sender=pid)


def for_faulthandler():
    with open(os.devnull, "w") as sink:
        faulthandler.register(signal.SIGVTALRM, file=sink)
        os.kill(PID, signal.SIGVTALRM)
        faulthandler.unregister(signal.SIGVTALRM)
    expect(signal.SIGVTALRM, "kill", PID, "c", "handled", state="none")


def with_a_wakeup_descriptor():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGPROF, noticed)
    os.kill(PID, signal.SIGPROF)
    assert os.read(reader, 1) == bytes([signal.SIGPROF])
    signal.set_wakeup_fd(before)
    expect(signal.SIGPROF, "kill", PID, "python", "handled", state="started", handler=first_line(noticed))


def noticed(number, frame):
    pass


def for_asyncio():
    async def wait():
        heard = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, heard.set)
        os.kill(PID, signal.SIGHUP)
        await heard.wait()

    asyncio.run(wait())
    expect(signal.SIGHUP, "kill", PID, "python", "handled", state="started")


def to_a_thread():
    signal.signal(signal.SIGUSR1, noticed)
    reader, writer = os.pipe()
    tids = []

    def sleep():
        tids.append(threading.get_native_id())
        os.read(reader, 1)

    thread = threading.Thread(target=sleep)
    thread.start()
    while not tids:
        time.sleep(0.001)
    signal.pthread_kill(thread.ident, signal.SIGUSR1)
    os.write(writer, b"x")
    thread.join()
    expect(signal.SIGUSR1, "tgkill", PID, "python", "handled", state="started", tid=tids[0])


def taken_by_sigwait():
    """Before there are other threads, to which the mask would leave the signal."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    os.kill(PID, signal.SIGUSR2)
    signal.sigwait([signal.SIGUSR2])
    expect(signal.SIGUSR2, "kill", PID, None, "handled")


def held_back_to_the_end():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGXCPU])
    os.kill(PID, signal.SIGXCPU)
    os.kill(PID, signal.SIGXCPU)
    expect(signal.SIGXCPU, "kill", PID, None, "blocked")
    expect(signal.SIGXCPU, "kill", PID, None, "coalesced")


def stopped_and_continued():
    pid = child(lambda: time.sleep(60))
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    os.kill(pid, signal.SIGCONT)
    os.waitpid(pid, os.WCONTINUED)
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    expect(signal.SIGSTOP, "kill", pid, "default", "stopped")
    expect(signal.SIGCONT, "kill", pid, None, "continued")
    expect(signal.SIGTERM, "kill", pid, "default", "killed")


def crashes():
    def crash():
        ctypes.string_at(0)

    pid = child(crash)
    os.waitpid(pid, 0)
    expect(signal.SIGSEGV, "fault", pid, "default", "killed", interrupted="string_at")


def crashes_under_faulthandler():
    def crash():
        faulthandler.enable(file=open(os.devnull, "w"))
        ctypes.string_at(0)

    pid = child(crash)
    os.waitpid(pid, 0)
    expect(signal.SIGSEGV, "fault", pid, "c", "handled", interrupted="string_at")
    expect(signal.SIGSEGV, "tgkill", pid, "default", "killed", interrupted="string_at")


def to_one_that_is_not_traced():
    os.kill(sleeper, signal.SIGUSR1)
    os.kill(sleeper, signal.SIGUSR2)
    while pending_in(sleeper):
        time.sleep(0.001)
    os.kill(sleeper, signal.SIGTERM)
    while state_of(sleeper) != "Z":
        time.sleep(0.001)
    expect(signal.SIGUSR1, "kill", sleeper, "ignored", "ignored")
    expect(signal.SIGUSR2, "kill", sleeper, None, "handled", state="unknown")
    expect(signal.SIGTERM, "kill", sleeper, "default", "killed")


def state_of(pid):
    with open("/proc/%d/stat" % pid) as stat:
        return stat.read().rpartition(")")[2].split()[0]


def pending_in(pid):
    with open("/proc/%d/status" % pid) as status:
        return any(int(line.split()[1], 16) for line in status if line.startswith(("SigPnd", "ShdPnd")))


def child(work):
    ready, ready_writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(ready_writer, b"r")
        work()
        os._exit(0)
    os.read(ready, 1)
    return pid


protocol.ready()
as_keyboard_interrupt()
as_broken_pipe()
of_a_child()
for_faulthandler()
with_a_wakeup_descriptor()
for_asyncio()
taken_by_sigwait()
to_a_thread()
stopped_and_continued()
crashes()
crashes_under_faulthandler()
to_one_that_is_not_traced()
held_back_to_the_end()
protocol.report(rows)
protocol.stay()
