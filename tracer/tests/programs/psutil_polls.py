"""Asks psutil for memory and CPU figures, as a monitoring agent does."""

import psutil
import told

POLLS = 200


def poll():
    psutil.virtual_memory()
    psutil.cpu_times_percent()


psutil.cpu_times_percent()
told.ready()
for _ in range(POLLS):
    poll()
told.tell({"polls": POLLS})
told.stay()
