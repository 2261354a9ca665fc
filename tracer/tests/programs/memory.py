"""A child uses more memory than its control group may have; the kernel kills it, and not its parent.

With the argument `reaped`, which waits for it at once; else only when its input ends.
"""

import os
import sys
import time

import protocol

LIMIT = 32 << 20


def hierarchy():
    """Where memory is bounded, and our own group there; by which file."""
    with open("/proc/self/cgroup") as groups:
        lines = [line.rstrip("\n").split(":", 2) for line in groups]
    for _, controllers, path in lines:
        if "memory" in controllers.split(","):
            return "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"
    return "/sys/fs/cgroup", lines[-1][2], "memory.max"


def make_group():
    root, own, limit = hierarchy()
    path = os.path.join(own, "tracer-test-%d" % os.getpid())
    os.mkdir(root + path)
    try:
        with open(os.path.join(root + path, limit), "w") as file:
            file.write(str(LIMIT))
    except OSError:
        os.rmdir(root + path)
        raise
    return root, path


def join(root, path):
    with open(os.path.join(root + path, "cgroup.procs"), "w") as file:
        file.write("0")


def use_up():
    kept = []
    while True:
        kept.append(bytearray(1 << 20))


def kill_by_memory():
    root, path = make_group()
    try:
        pid = os.fork()
        if pid == 0:
            join(root, path)
            if root.endswith("memory"):
                time.sleep(2.5)  # version 1 forgets a group at the end: it must have been read before
            use_up()
        flags = 0 if sys.argv[1:] == ["reaped"] else os.WNOWAIT
        ended = os.waitid(os.P_PID, pid, os.WEXITED | flags)
    finally:
        os.rmdir(root + path)
    return {"pid": pid, "signal": ended.si_status, "cgroup": path}


protocol.ready()
try:
    protocol.report(kill_by_memory())
except OSError as error:
    protocol.report({"impossible": str(error)})
protocol.stay()
