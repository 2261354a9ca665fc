"""Meets SIGTERM as it is asked to: handles it, ignores it, is killed by it."""

import signal
import sys

import protocol


def on_term(number, frame):
    pass


WAYS = {"handled": on_term, "ignored": signal.SIG_IGN, "killed": signal.SIG_DFL}
signal.signal(signal.SIGTERM, WAYS[sys.argv[1]])
protocol.ready()
protocol.report({"function": on_term.__name__, "file": on_term.__code__.co_filename, "line": on_term.__code__.co_firstlineno})
protocol.stay()
