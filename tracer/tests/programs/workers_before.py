"""Has workers when it is traced, one of them behind a shell: each reads a file so many times once it is asked."""

import os
import subprocess
import sys
import time

import protocol

PATH = "/etc/hostname"
READS = 100
SHELL = '"$0" -B "$1" worker; true'  # without an end of its own it would become the worker


def asked_by(pipe):
    os.read(pipe, 1)


def reads(file):
    os.read(file, 1)


def work(pipe, done):
    asked_by(pipe)
    file = os.open(PATH, os.O_RDONLY)
    for _ in range(READS):
        os.lseek(file, 0, os.SEEK_SET)
        reads(file)
    os.write(done, b"%d\n" % os.getpid())
    time.sleep(600)


def fork():
    pid = os.fork()
    if pid == 0:
        work(asked, answer)
    return pid


def hear(answers):
    """A pid and a line's end."""
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(answers, 1)
    return int(line)


if sys.argv[1:] == ["worker"]:
    work(0, 1)

asked, ask = os.pipe()
answers, answer = os.pipe()
quiet = os.open(os.devnull, os.O_WRONLY)  # a shell prints that its child was killed
forked = [fork(), fork()]
shell = subprocess.Popen(["/bin/sh", "-c", SHELL, sys.executable, __file__], stdin=asked, stdout=answer, stderr=quiet)
while not os.path.exists("/proc/%d/task/%d/children" % (shell.pid, shell.pid)):
    time.sleep(0.001)
behind = []
while not behind:
    time.sleep(0.001)
    with open("/proc/%d/task/%d/children" % (shell.pid, shell.pid)) as file:
        behind = [int(pid) for pid in file.read().split()]
# It is asleep where it waits to be asked once it is Python, and has read its own file.
while True:
    with open("/proc/%d/syscall" % behind[0]) as file:
        if file.read().startswith("0 0x0 "):
            break
    time.sleep(0.01)
protocol.ready()
os.write(ask, b"xxx")
pids = sorted(hear(answers) for _ in range(3))
protocol.report({
    "workers": pids,
    "expected": sorted(forked + behind),
    "shell": shell.pid,
    "path": PATH,
    "reads": READS,
    "at": protocol.only_line(reads)["line"],
    "slept_at": protocol.only_line(asked_by)["line"],
})
protocol.stay()
for pid in pids:
    os.kill(pid, 9)
