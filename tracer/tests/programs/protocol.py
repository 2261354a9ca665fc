"""How a program and its test talk: one line each way, and the program's own truth as JSON. Runs on 2.7 too."""

import json
import os
import sys
import time

try:
    from _thread import start_new_thread
except ImportError:
    from thread import start_new_thread


def ready():
    """Says that we may be traced now, and blocks until the test says that we are."""
    say("ready %d" % os.getpid())
    sys.stdin.readline()


def report(truth):
    """Says what was done."""
    say(json.dumps(truth))


def stay():
    """Answers every line until the test closes stdin."""
    for _ in iter(sys.stdin.readline, ""):
        say("still here")


def say(line):
    """Says one line."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def start(function):
    """Starts a thread whose outermost Python frame is the function's: its id as the kernel has it, and as Python has it."""
    before = set(os.listdir("/proc/self/task"))
    ident = start_new_thread(function, ())
    (tid,) = set(os.listdir("/proc/self/task")) - before
    return int(tid), ident


def only_line(function):
    """The frame of a function of one line, as the report has it."""
    code = function.__code__
    return {"function": function.__qualname__, "file": code.co_filename, "line": code.co_firstlineno + 1}


def tid():
    """The kernel's id of the thread that asks: `threading.get_native_id` is there from 3.8 on."""
    return int(os.path.basename(os.readlink("/proc/thread-self")))


def stack(frame):
    """A stack, innermost frame first, as the report has it."""
    frames = []
    while frame is not None:
        code = frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        frames.append({"function": name, "file": code.co_filename, "line": frame.f_lineno})
        frame = frame.f_back
    return frames


def switches(tid):
    """How often a thread of ours left its CPU, voluntarily and not, and its state."""
    with open("/proc/self/task/%d/status" % tid) as status:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    return int(fields["voluntary_ctxt_switches"]), int(fields["nonvoluntary_ctxt_switches"]), fields["State"][0]


def until_parked(tids):
    """Returns when all these threads sleep for good: waiting for the GIL wakes up every 5 ms."""
    before = None
    while True:
        now = [switches(tid) for tid in tids]
        if now == before and all(state == "S" for _, _, state in now):
            return
        before = now
        time.sleep(0.02)


def comes_first():
    """From now on the current thread, and those that it starts, wait for no CPU because of what else this machine does: a
    program that measures its own work measures nothing else then."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (AttributeError, OSError):  # 2.7, musl
        os.nice(-20)


# x86-64's numbers of system calls that sleep.
READ, RECVFROM, WAIT4, FUTEX = 0, 45, 61, 202


def until_asleep_in(call, pid, tid=None):
    """Returns once a thread sleeps in this system call, for as long as it takes: who waits for the GIL wakes up after 5 ms.
    The file says `running` of one that is not asleep."""
    while not is_asleep_in(call, "/proc/%d/task/%d/syscall" % (pid, tid or pid)):
        time.sleep(0.0005)


def is_asleep_in(call, path):
    with open(path) as file:
        words = file.read().split()
    if words[0] != str(call):
        return False
    return call != FUTEX or words[4] == "0x0"  # without a timeout
