"""Polls a child without a pause until it ends."""

import subprocess

import protocol


def spin(child):
    while child.poll() is None: pass  # one line, so that it has one frame


protocol.ready()
spin(subprocess.Popen(["sleep", "1.5"]))
protocol.report(protocol.only_line(spin))
protocol.stay()
