"""Kills leaders with and without groups of their own; their children wait until they are asked to end."""

import os
import signal
import subprocess
import sys
import time

import protocol

CHILDREN = 3
LEADER = """
import os, sys
pids = []
for _ in range(%d):
    pid = os.fork()
    if pid == 0:
        os.execvp("sleep", ["sleep", "600"])
    pids.append(pid)
print(*pids, flush=True)
sys.stdin.read()
""" % CHILDREN


def start(**options):
    """A leader, and its children."""
    command = [sys.executable, "-c", LEADER]
    leader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
    children = [int(pid) for pid in leader.stdout.readline().split()]
    for pid in children:
        until_named(pid)
    return leader, children


def until_named(pid):
    while True:
        with open("/proc/%d/comm" % pid) as comm:
            if comm.read() == "sleep\n":
                return
        time.sleep(0.002)


def end(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def kill_leader(leader):
    leader.terminate()


def kill_group(leader):
    os.killpg(leader.pid, signal.SIGTERM)


def experiment(kill, **options):
    leader, children = start(**options)
    kill(leader)
    leader.wait()
    time.sleep(0.3)  # those who are left live on
    alive = [pid for pid in children if os.path.exists("/proc/%d/cmdline" % pid) and is_alive(pid)]
    end(alive)
    return {"leader": leader.pid, "children": children, "left": alive, "frame": protocol.only_line(kill)}


def is_alive(pid):
    with open("/proc/%d/stat" % pid) as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


protocol.ready()
truth = {
    "no_group": experiment(kill_leader),
    "own_group": experiment(kill_leader, start_new_session=True),
    "killpg": experiment(kill_group, start_new_session=True),
}
protocol.report(truth)
protocol.stay()
