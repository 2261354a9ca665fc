"""Makes as many of something as each line says: python endless.py processes|threads|strangers|pythons."""

import os
import select
import signal
import subprocess
import sys
import threading

import protocol


def process():
    if not os.fork():
        os._exit(0)
    os.wait()


def thread():
    started = threading.Thread(target=lambda: select.epoll().close())
    started.start()
    started.join()


def stranger():
    pid = os.fork()
    if not pid:
        signal.pause()
    os.kill(pid, signal.SIGUSR1)
    os.wait()


def python():
    subprocess.run([sys.executable, "-c", "pass"], check=True)


MAKE = {"processes": process, "threads": thread, "strangers": stranger, "pythons": python}[sys.argv[1]]
protocol.ready()
for line in iter(sys.stdin.readline, ""):
    for _ in range(int(line)):
        MAKE()
    protocol.report({"made": int(line)})
