"""What the workloads share: they say `ready`, and at each `go SECONDS` they work, and print what they did as JSON."""

import json
import sys
import time

# Seconds in which a rate is taken: less than what a busy host lets pass between two disturbances.
PIECE = 0.02


def measured(step, truth=dict, cpu=time.process_time):
    """Does step after step, each a millisecond or so, and counts what they return; `cpu` returns the CPU time so far, and
    `truth` what else is counted."""
    print("ready", flush=True)
    for order in sys.stdin:
        print(json.dumps(turn(step, float(order.split()[1]), truth, cpu)), flush=True)


def turn(step, seconds, truth, cpu):
    truth_before = dict(truth())
    done, start, cpu_before = 0, time.monotonic(), cpu()
    now, rates, piece = start, [], (start, 0)
    while now - start < seconds:
        done += step()
        now = time.monotonic()
        if now - piece[0] >= PIECE:
            rates.append((done - piece[1]) / (now - piece[0]))
            piece = (now, done)
    wall, cpu_s = time.monotonic() - start, cpu() - cpu_before
    counted = {name: count - truth_before.get(name, 0) for name, count in truth().items()}
    return {"done": done, "wall_s": wall, "cpu_s": cpu_s, "fastest": max(rates, default=0), "truth": counted}
