"""Children that all get the same pid, each as soon as the one before has been waited for: python again.py CHILDREN."""

import ctypes
import os
import signal
import sys
import time

import protocol

CHILDREN = int(sys.argv[1])
CLONE3 = 435
# The kernel lets go of a process some milliseconds after it was waited for; until a breakpoint is set takes longer.
LIVES = 0.3
syscall = ctypes.CDLL(None, use_errno=True).syscall


class CloneArguments(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "flags pidfd child_tid parent_tid exit_signal stack stack_size tls set_tid set_tid_size cgroup".split()
        )
    ]


def fork_as(pid):
    """`fork`, of a child with this pid."""
    wanted = ctypes.c_int(pid)
    arguments = CloneArguments(
        exit_signal=signal.SIGCHLD, set_tid=ctypes.addressof(wanted), set_tid_size=1
    )
    child = syscall(CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments))
    if child < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return child


def handler(signum, frame):
    pass


def read(fd):
    return os.read(fd, 1)


def live(code):
    signal.signal(signal.SIGUSR1, handler)
    time.sleep(LIVES)
    read(os.open("/proc/self/comm", os.O_RDONLY))
    os.kill(os.getpid(), signal.SIGUSR1)
    os._exit(code)


protocol.ready()
pid = os.fork() or os._exit(0)
os.waitpid(pid, 0)
codes = []
for n in range(CHILDREN):
    codes.append(n % 7)
    child = fork_as(pid)
    if not child:
        live(n % 7)
    assert child == pid
    assert os.waitpid(pid, 0) == (pid, codes[-1] << 8)
protocol.report({"pid": pid, "codes": [0] + codes, "read_at": protocol.only_line(read)})
protocol.stay()
