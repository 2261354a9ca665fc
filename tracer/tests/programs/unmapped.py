"""Sleeps below a function whose code object the kernel cannot read at that moment, having slept below it before."""

import ctypes
import mmap
import os
import time

import protocol

# Code objects hold their instructions: in its first page no other object lies behind it.
HUGE = "def huge():\n    below()\n    return\n" + "    x = 0\n" * 40_000
PAGE = mmap.PAGESIZE
MAP_FIXED = 0x10


def replace(page):
    """By a mapping of a file that has the same bytes, which is in no page table before somebody reads it."""
    file = os.memfd_create("page")
    protection, flags = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | MAP_FIXED
    arguments = [ctypes.c_void_p(page), ctypes.c_size_t(PAGE), protection, flags, file, ctypes.c_long(0)]
    bytes_of_page = (ctypes.c_char * PAGE).from_address(page)
    os.pwrite(file, bytes_of_page, 0)
    return libc.mmap(*arguments) == page


def sleep_with_it():
    time.sleep(0.002)


def sleep_without_it():
    time.sleep(0.002 * replace(first_page))


libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
namespace = {"below": lambda: below()}
exec(compile(HUGE, "huge.py", "exec"), namespace)
huge = namespace["huge"]
# A number: who lets go of the code object itself writes to it.
first_page = id(huge.__code__) & -PAGE

protocol.ready()
below = sleep_with_it
huge()
below = sleep_without_it
huge()
protocol.report([protocol.only_line(sleep_with_it), protocol.only_line(sleep_without_it)])
protocol.stay()
