"""Runs tests of CPython's own, by their names; prints how they went, and which children and signals they asked for, as
the interpreter's audit events have it: https://docs.python.org/3.8/library/audit_events.html"""

import importlib
import os
import sys
import unittest

import protocol

PID = os.getpid()
truth = {"forks": 0, "spawns": 0, "kills": []}


def hear(event, arguments):
    if os.getpid() != PID:
        return
    if event == "os.fork":
        truth["forks"] += 1
    elif event == "subprocess.Popen":
        truth["spawns"] += 1
    elif event == "signal.pthread_kill":
        truth["kills"].append({"number": int(arguments[1]), "pid": PID})


def kill(pid, number, real=os.kill):
    """A test that races with its child may come too late: then there is no signal."""
    real(pid, number)
    truth["kills"].append({"number": int(number), "pid": pid})


def outcome(result):
    counts = {"run": result.testsRun, "skipped": len(result.skipped)}
    counts["failed"] = [str(test) for test, _ in result.failures + result.errors]
    return counts


def in_silence(work):
    """What tests and their children print is not for who waits for our truth; and they read nothing of ours."""
    stdout, null = os.dup(1), os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    result = work()
    os.dup2(stdout, 1)
    return result


loaded = [importlib.import_module(name.split(":")[0]) for name in sys.argv[1:]]
suite = unittest.TestSuite(
    unittest.defaultTestLoader.loadTestsFromName(name.split(":")[1], module)
    for name, module in zip(sys.argv[1:], loaded)
)
protocol.ready()
sys.addaudithook(hear)
os.kill = kill
result = in_silence(lambda: unittest.TextTestRunner(verbosity=0).run(suite))
truth["outcome"] = outcome(result)
protocol.report(truth)
