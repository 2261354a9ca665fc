"""What the workloads share: they say `ready`, wait for `go SECONDS`, work, and tell what they did as JSON."""

import json
import sys
import time

# Seconds in which a rate is taken: less than what a busy host lets pass between two disturbances.
PIECE = 0.02


def measured(step, truth=dict):
    """Does step after step, each a millisecond or so, and counts what they return."""
    print("ready", flush=True)
    order = sys.stdin.readline()
    if not order:
        return  # nobody wants it to
    seconds = float(order.split()[1])
    done, start, cpu = 0, time.monotonic(), time.process_time()
    now, rates, piece = start, [], (start, 0)
    while now - start < seconds:
        done += step()
        now = time.monotonic()
        if now - piece[0] >= PIECE:
            rates.append((done - piece[1]) / (now - piece[0]))
            piece = (now, done)
    wall, cpu = time.monotonic() - start, time.process_time() - cpu
    told = {"done": done, "wall_s": wall, "cpu_s": cpu, "fastest": max(rates, default=0), "truth": truth()}
    print(json.dumps(told), flush=True)
    sys.stdin.readline()  # whoever watches has left
