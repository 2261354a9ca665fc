"""What the worker of jobs.py does: it renders a page, and says so by one byte in a file."""

import os

from celery import Celery
from serve_apps import page

folder = os.environ["JOBS"]
queue = os.path.join(folder, "queue")
os.makedirs(queue, exist_ok=True)
app = Celery("jobs_app", broker="filesystem://")
app.conf.update(
    broker_transport_options={"data_folder_in": queue, "data_folder_out": queue, "polling_interval": 0.001},
    task_ignore_result=True,
    worker_redirect_stdouts=False,
)


@app.task
def add(path):
    page()
    with open(path, "a") as file:
        file.write(".")
