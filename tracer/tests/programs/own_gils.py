"""Two interpreters beside the main one, with a GIL each: in both, one thread holds it for long, in one C call, while another
one wants it. The main interpreter's thread computes, and nobody waits for it."""

import json
import os
import sys
import threading

import protocol

ROUNDS = {"a": 2, "b": 4}

HOLDS = """
import json, os, sys, threading, time

numbers = [(index * 7919) % 100003 for index in range(1000000)]

def holds_NAME():
    sorted(numbers)

def is_waited_for():
    sum(range(2000000))

def wants():
    sum(range(1000))

def want():
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))  # however busy the machine is, it waits by then
    while not done:
        wants()
        time.sleep(0.0005)

def timed():
    spent = 0
    for _ in range(ROUNDS):
        time.sleep(0.002)
        is_waited_for()
        begin = time.monotonic()
        holds_NAME()
        spent += time.monotonic() - begin
    return spent

# Nobody is made to give it away between two calls.
sys.setswitchinterval(100)
os.read(GO, 1)
done = []
other = threading.Thread(target=want)
other.start()
spent = timed()
done.append(True)
other.join()
tid = int(os.path.basename(os.readlink("/proc/thread-self")))
os.write(SAYS, json.dumps({"function": "holds_NAME", "ns": int(1e9 * spent), "tid": tid}).encode() + bytes([10]))
os.read(NEVER, 1)  # to return takes the main interpreter's GIL
"""


def run(name, go, says):
    source = HOLDS.replace("NAME", name).replace("ROUNDS", str(ROUNDS[name]))
    source = source.replace("GO", str(go)).replace("SAYS", str(says)).replace("NEVER", str(os.pipe()[0]))
    if sys.version_info >= (3, 13):
        import _interpreters as interpreters
    else:
        import _xxsubinterpreters as interpreters
    interpreters.run_string(interpreters.create(), source)


def alone(said):
    """Computes until both have said what they did."""
    lines = b""
    os.set_blocking(said, False)
    while lines.count(b"\n") < len(ROUNDS):
        sum(range(100000))
        try:
            lines += os.read(said, 4096)
        except BlockingIOError:
            pass
    return [json.loads(line) for line in lines.splitlines()]


go_on, go = os.pipe()
said, says = os.pipe()
threads = [threading.Thread(target=run, args=(name, go_on, says), daemon=True) for name in ROUNDS]
for thread in threads:
    thread.start()
protocol.until_parked([thread.native_id for thread in threads])
protocol.ready()
os.write(go, b"xx")
protocol.report(alone(said))
protocol.stay()
