"""Has children that leave its process group on their own; kills one by its new group, and its old group's others live on."""

import os
import signal
import time

import protocol


def child(work):
    ready, ready_writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        work()
        os.write(ready_writer, b"r")
        time.sleep(600)
        os._exit(0)
    os.read(ready, 1)
    return pid


protocol.ready()
stays = child(lambda: os.setpgid(0, 0))
killed = child(os.setsid)
plain = child(lambda: None)
moved = child(lambda: None)
os.killpg(killed, signal.SIGTERM)
os.waitpid(killed, 0)
os.setpgid(moved, stays)
protocol.report({"stays": stays, "killed": killed, "plain": plain, "moved": moved, "pgid": os.getpgrp(), "sid": os.getsid(0)})
protocol.stay()
for pid in (stays, plain, moved):
    os.kill(pid, signal.SIGKILL)
