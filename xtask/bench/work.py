"""What the workloads share: they say `ready`, wait for `go SECONDS`, work, and tell what they did as JSON."""

import json
import sys
import time


def measured(step, truth=dict):
    """Does step after step, each a millisecond or so, and counts what they return."""
    print("ready", flush=True)
    order = sys.stdin.readline()
    if not order:
        return  # nobody wants it to
    seconds = float(order.split()[1])
    done, start, cpu = 0, time.monotonic(), time.process_time()
    while time.monotonic() - start < seconds:
        done += step()
    wall, cpu = time.monotonic() - start, time.process_time() - cpu
    print(json.dumps({"done": done, "wall_s": wall, "cpu_s": cpu, "truth": truth()}), flush=True)
    sys.stdin.readline()  # whoever watches has left
