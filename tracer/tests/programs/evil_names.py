"""Its threads, functions, files and children have names with all that could harm who shows them."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import protocol

# Escapes of a terminal, ends of lines, marks of HTML, XML, Markdown, JSON and collapsed stacks, what turns the order of
# letters, half of a pair of surrogates, and a number that reads as a weight.
EVIL = "\x1b[31m\x1b]0;t\x07\u202e\r\n\"'`|</title></text><script>alert(1)</script>]]>&amp;;, \t\\\0\x7f\x85\u2028\ud800 12\n99"
SHORT = b"th\x1b[2J\n\r;\"<\xff)R"  # 15 bytes, as many as a thread may have
SECONDS = 0.5  # of a CPU: some hundred samples
traced, worked = threading.Event(), threading.Event()


def template(until):
    while time.thread_time() < until:
        pass


def reader(name):
    with open(name, "rb", buffering=0) as file:
        for _ in range(100):
            file.seek(0)
            file.read(4)


def evil(function, name):
    code = function.__code__
    code = code.replace(co_name="fn" + name, co_qualname="fn" + name, co_filename="file" + name)
    return type(function)(code, function.__globals__)


def name_thread():
    ctypes.CDLL(None).prctl(15, SHORT, 0, 0, 0)


def work():
    name_thread()
    traced.wait()
    evil(template, EVIL)(time.thread_time() + SECONDS)
    worked.set()
    time.sleep(60)


folder = tempfile.mkdtemp().encode()
name = os.path.join(folder, EVIL.replace("\0", "").replace("/", "").encode("utf-8", "surrogatepass")[:200])
with open(name, "wb") as file:
    file.write(b"data")
signal.signal(signal.SIGUSR2, evil(lambda number, frame: None, EVIL))
protocol.start(work)
name_thread()
child = subprocess.Popen(["/bin/sh", "-c", "read line; :", EVIL.replace("\0", "").encode("utf-8", "surrogatepass")], stdin=subprocess.PIPE)
protocol.ready()
traced.set()
evil(reader, EVIL)(name)
subprocess.run(["/bin/sh", "-c", ":", EVIL.replace("\0", "").encode("utf-8", "surrogatepass")], check=True)
worked.wait()
protocol.report({"folder": folder.decode()})
sys.stdin.readline()
child.kill()
child.wait()
os.unlink(name)
os.rmdir(folder)
os._exit(0)
