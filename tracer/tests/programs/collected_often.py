"""What a collection takes before it is traced, and while it is: the least tenth of many, which nobody interrupted."""

import gc
import time

import protocol

ROUNDS = 3000


def took():
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        gc.collect(0)
        times.append(time.perf_counter() - begin)
    times.sort()
    return int(times[ROUNDS // 10] * 1e9)


gc.disable()
gc.collect()
before = min(took() for _ in range(3))
protocol.ready()
traced = min(took() for _ in range(3))
protocol.report({"before_ns": before, "traced_ns": traced, "collections": 3 * ROUNDS})
protocol.stay()
