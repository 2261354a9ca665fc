"""A worker of celery, and a task that is stuck in C: its time is limited, softly and then hard."""

import os
import sys
import threading

from celery import Celery
from celery.signals import worker_process_init, worker_ready

app = Celery("celery_app", broker="memory://")
app.conf.update(task_soft_time_limit=1, task_time_limit=2, worker_redirect_stdouts=False)


@app.task
def in_c():
    sum(range(10**12))


@worker_process_init.connect
def tell(**_):
    os.write(1, b"worker %d\n" % os.getpid())  # in one piece: several begin at a time


@worker_ready.connect
def work_when_told_to(**_):
    def work():
        sys.stdin.readline()
        in_c.delay()

    threading.Thread(target=work, daemon=True).start()
