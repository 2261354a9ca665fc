"""Does nothing but answer; forks a child that it forgets when told to."""

import os
import signal
import sys
import threading

import told

signal.signal(signal.SIGTERM, lambda number, frame: None)
threading.Thread(target=threading.Event().wait, daemon=True).start()
told.ready()
if "zombie" in sys.argv:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
told.tell(os.getpid())
told.stay()
