"""Sends another process signals in two ways; nobody traces this program."""

import ctypes
import os
import signal
import sys

import protocol

target = int(sys.argv[1])
protocol.ready()
os.kill(target, signal.SIGTERM)
ctypes.CDLL(None).sigqueue(target, int(signal.SIGRTMIN), ctypes.c_void_p(7))
protocol.report([[int(signal.SIGTERM), "kill"], [int(signal.SIGRTMIN), "sigqueue"]])
protocol.stay()
