"""Children that compute, read now and then, and end, and nobody waits for them: python unwaited.py SECONDS."""

import os
import signal
import sys
import time

import protocol

LIVES = 0.1


def works(fd):
    until = time.monotonic() + LIVES
    reads = 0
    while time.monotonic() < until:
        sum(range(1_000))
        reads += bool(os.read(fd, 1))


protocol.ready()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
fd = os.open("/dev/zero", os.O_RDONLY)
end = time.monotonic() + int(sys.argv[1])
children = 0
while time.monotonic() < end:
    if not os.fork():
        works(fd)
        os._exit(0)
    children += 1
    time.sleep(LIVES)
try:
    os.wait()  # until all have ended
except ChildProcessError:
    pass
protocol.report({"children": children})
protocol.stay()
