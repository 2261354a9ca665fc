"""Threads that sleep ten times and end, each beside the others, and then the process ends, too."""

import threading
import time


def sleeps():
    for _ in range(10):
        time.sleep(0.002)


for _ in range(4):
    threads = [threading.Thread(target=sleeps) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
