"""A worker of celery: a task that is stuck in C, whose time is limited, softly and then hard; one that is revoked."""

import os
import threading
import time

from celery import Celery
from celery.signals import worker_process_init, worker_ready

app = Celery("celery_app", broker="memory://")
app.conf.update(worker_redirect_stdouts=False)


@app.task(soft_time_limit=1, time_limit=4)  # they are compared with the clock once a second
def in_c():
    sum(range(10**12))


@app.task
def sleeps():
    os.write(1, b"runs\n")
    asleep()


def asleep():
    time.sleep(600)


@worker_process_init.connect
def report(**_):
    os.write(1, b"worker %d\n" % os.getpid())  # in one piece: several begin at a time


@worker_ready.connect
def work_when_asked_to(**_):
    def work():
        tasks = {b"limit\n": in_c, b"run\n": sleeps}
        # Not by sys.stdin: a worker that is forked while a thread waits there never gets its lock.
        for line in iter(lambda: os.read(0, 100), b""):
            if line == b"revoke\n":
                app.control.revoke(job.id, terminate=True)
            else:
                job = tasks[line].delay()

    threading.Thread(target=work, daemon=True).start()
