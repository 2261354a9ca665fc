"""Has the interpreter make arguments in C as fast as it can, for other calls than a handler's; then handles a signal."""

import math
import os
import signal
import sys
import time

import told

handled = []
signal.signal(signal.SIGUSR1, lambda number, frame: handled.append(number))
told.ready()
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    for _ in range(1000):
        math.modf(1.5)
os.kill(os.getpid(), signal.SIGUSR1)
told.tell({"handled": len(handled)})
told.stay()
