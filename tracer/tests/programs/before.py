"""Has children and a grandchild when it is traced: they are killed, end by themselves, are left behind, live on."""

import os
import signal
import subprocess
import sys
import time

import protocol

MOTHER = "import os, sys; pid = os.fork(); pid == 0 and os.execvp('sleep', ['sleep', '600']); print(pid, flush=True); sys.stdin.read()"


def child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(3)
    return pid


def sleep():
    time.sleep(600)


def until_asked():
    os.read(asked, 1)


asked, ask = os.pipe()
killed, by_itself, stays = child(sleep), child(until_asked), child(sleep)
options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "universal_newlines": True}
mother = subprocess.Popen([sys.executable, "-c", MOTHER], **options)
left = int(mother.stdout.readline())
protocol.ready()
# Somebody who is not traced, as an administrator would be.
protocol.report({"killed": killed, "by_itself": by_itself, "stays": stays, "mother": mother.pid, "left": left})
sys.stdin.readline()
os.waitpid(killed, 0)
os.write(ask, b"x")
os.waitpid(by_itself, 0)
mother.send_signal(signal.SIGTERM)
mother.wait()
protocol.report(None)
protocol.stay()
os.kill(stays, signal.SIGKILL)
os.kill(left, signal.SIGKILL)
