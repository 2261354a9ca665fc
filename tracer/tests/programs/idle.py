"""Does nothing but answer; forks a child that it forgets when asked to."""

import os
import signal
import sys
import threading

import protocol

signal.signal(signal.SIGTERM, lambda number, frame: None)
threading.Thread(target=threading.Event().wait, daemon=True).start()
protocol.ready()
if "zombie" in sys.argv:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
protocol.report(os.getpid())
protocol.stay()
