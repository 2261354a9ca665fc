"""Leaves fifty children unreaped, reaps fifty late, and lets the kernel reap fifty."""

import os
import signal
import struct
import time

import protocol

CHILDREN = 50
LATE_SECONDS = 0.3


def forget():
    return os.fork()


def reap_late():
    return os.fork()


def never_a_zombie():
    return os.fork()


def spawn(fork, code):
    """Returns a child that has exited; when it was about to by its own clock, and when its parent saw that it had."""
    reader, writer = os.pipe()
    pid = fork()
    if pid == 0:
        os.write(writer, struct.pack("q", time.monotonic_ns()))
        os._exit(code)
    os.close(writer)
    (exited_ns,) = struct.unpack("q", os.read(reader, 8))
    os.close(reader)
    wait_without_reaping(pid)
    exited = {"about_to_exit_ns": exited_ns, "had_exited_ns": time.monotonic_ns()}
    return dict(exited, pid=pid, exit_code=code, frame=protocol.only_line(fork))


def wait_without_reaping(pid):
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        pass  # the kernel has reaped it


def reap(child):
    about_to_reap_ns = time.monotonic_ns()
    os.waitpid(child["pid"], 0)
    return dict(child, about_to_reap_ns=about_to_reap_ns, had_reaped_ns=time.monotonic_ns())


protocol.ready()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
reaped_by_kernel = [spawn(never_a_zombie, 0) for _ in range(CHILDREN)]
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
late = [spawn(reap_late, code) for code in range(CHILDREN)]
time.sleep(LATE_SECONDS)
late = [reap(child) for child in late]
forgotten = [spawn(forget, code) for code in range(CHILDREN)]
protocol.report({"zombies": late + forgotten, "reaped_by_kernel": [child["pid"] for child in reaped_by_kernel]})
protocol.stay()
