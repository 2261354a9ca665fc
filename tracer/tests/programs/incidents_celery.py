"""A task of celery that is revoked while it runs, and its worker with it."""

import os
import sys
import threading
import time

from celery import Celery
from celery.signals import worker_process_init, worker_ready

app = Celery("incidents_celery", broker="memory://")
app.conf.update(worker_redirect_stdouts=False)


@app.task
def task():
    os.write(1, b"runs\n")
    asleep()


def asleep():
    time.sleep(600)


@worker_process_init.connect
def tell(**_):
    os.write(1, b"worker %d\n" % os.getpid())  # in one piece: several begin at a time


@worker_ready.connect
def work_when_told_to(**_):
    def work():
        sys.stdin.readline()
        job = task.delay()
        sys.stdin.readline()
        app.control.revoke(job.id, terminate=True)

    threading.Thread(target=work, daemon=True).start()
