"""Catches, ignores and blocks signals in every way, prints which, and then sleeps in read(). Runs on 2.7 too."""

import functools
import os
import signal
import sys
import threading

import protocol


def plainly(number, frame):
    pass


class Bound(object):
    def method(self, number, frame):
        pass

    def __call__(self, number, frame):
        pass


def first_line(function):
    code = function.__code__
    return {"function": getattr(code, "co_qualname", code.co_name), "file": code.co_filename, "line": code.co_firstlineno}


def caught(kind, function=None, name=None):
    return {"does": "python", "kind": kind, "frame": function and first_line(function), "name": name}


reader, writer = os.pipe()
blocking = hasattr(signal, "pthread_sigmask")
bound = Bound()
signal.signal(signal.SIGTERM, plainly)
signal.signal(signal.SIGHUP, bound.method)
signal.signal(signal.SIGUSR1, functools.partial(plainly))
signal.signal(signal.SIGALRM, bound)
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
truth = {
    "SIGINT": caught("builtin_function_or_method", name="default_int_handler"),
    "SIGTERM": caught("function", plainly),
    "SIGHUP": caught("instancemethod" if sys.version_info[0] == 2 else "method", Bound.method),
    "SIGUSR1": caught("functools.partial", plainly),
    "SIGALRM": caught("Bound"),
    "SIGUSR2": {"does": "ignored"},
    "SIGPIPE": {"does": "ignored"},
}
if hasattr(os, "set_blocking"):
    os.set_blocking(writer, False)
signal.set_wakeup_fd(writer) if sys.version_info >= (3, 5) else None
if sys.version_info[0] == 3:
    import faulthandler

    faulthandler.enable()
    for number in [signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT, signal.SIGBUS, signal.SIGILL]:
        truth["SIG" + signal.Signals(number).name[3:]] = {"does": "c"}
if blocking:
    worker = threading.Thread(target=os.read, args=(reader, 1))
    worker.daemon = True
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH, signal.SIGPROF])
    worker.start()
    os.kill(os.getpid(), signal.SIGPROF)
    truth["SIGPROF"] = {"does": "default", "pending": True, "blocked_by": 2}
    truth["SIGWINCH"] = {"does": "default", "blocked_by": 2}
protocol.ready()
protocol.report({"signals": truth, "wakeup_fd": writer if sys.version_info >= (3, 5) else None})
protocol.stay()
