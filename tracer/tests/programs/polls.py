"""Polls a child without a pause until it ends."""

import subprocess

import told


def spin(child):
    while child.poll() is None: pass  # one line, so that it can be told


told.ready()
spin(subprocess.Popen(["sleep", "1.5"]))
told.tell(told.only_line(spin))
told.stay()
