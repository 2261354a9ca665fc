"""A worker of Celery with one process, which is sent tasks through a folder: what is measured is the CPU time that its
processes take for one."""

import os
import subprocess
import sys
import tempfile
import time

from serve import children, cpu_clock
from work import measured

WORKER = ["celery", "--app", "jobs_app", "worker", "--concurrency", "1", "--pool", "prefork", "--loglevel", "ERROR"]
ROUND = 10
PATIENCE = 60


def finished():
    return os.stat(done).st_size


def step():
    """Some tasks at a time, as many as its queue holds."""
    wanted = finished() + ROUND
    for _ in range(ROUND):
        add.delay(done)
    end = time.monotonic() + PATIENCE
    while finished() < wanted:
        if time.monotonic() > end:
            sys.exit("the worker does nothing")
        time.sleep(0.001)
    return ROUND


with tempfile.TemporaryDirectory() as folder:
    os.environ["JOBS"] = folder
    done = os.path.join(folder, "done")
    open(done, "w").close()
    from jobs_app import add

    worker = subprocess.Popen([sys.executable, "-B", "-m", *WORKER], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        step()
        pids = [worker.pid, *children(worker.pid)]
        print("target", *pids, flush=True)
        measured(step, cpu=lambda: sum(time.clock_gettime(cpu_clock(pid)) for pid in pids))
    finally:
        worker.terminate()
        worker.wait()
