"""Children that end in different ways, one after another."""

import os
import signal
import subprocess
import sys
import time

import protocol


def leave():
    os._exit(9)


def wait_for_news(pipe):
    os.read(pipe, 1)


def fork(child):
    pid = os.fork()
    if pid == 0:
        child()
    return pid


def kill_when_asleep(pid):
    while open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0] != "S":
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)


def wait(pid):
    return os.waitpid(pid, 0)[0]


protocol.ready()
reader, writer = os.pipe()
exits = wait(fork(leave))
killed = fork(lambda: wait_for_news(reader))
kill_when_asleep(killed)
wait(killed)
loop = [wait(fork(lambda: (time.sleep(0.01), os._exit(4)))) for _ in range(4)]
programs = [subprocess.call(["sh", "-c", "exit 1"]) for _ in range(4)]
ends_well = wait(fork(lambda: os._exit(0)))
protocol.report(
    {
        "exits": {"pid": exits, "frame": protocol.only_line(leave)},
        "killed": {"pid": killed, "frame": protocol.only_line(wait_for_news), "sender": os.getpid()},
        "loop": loop,
        "ends_well": ends_well,
    }
)
sys.stdin.readline()
sys.exit(3)
