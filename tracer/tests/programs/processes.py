"""Forks, executes and loses children in known numbers."""

import os
import subprocess
import sys

import protocol

HERE = os.path.dirname(os.path.abspath(__file__))
BRIEF = 20


def fork_brief():
    return os.fork()


def brief_read(fd):
    return os.read(fd, 16)


def brief_life():
    """A child that reads once and is gone a millisecond later."""
    pid = fork_brief()
    if pid == 0:
        brief_read(os.open("/proc/self/comm", os.O_RDONLY))
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def spawn_python():
    return subprocess.Popen([sys.executable, "-B", os.path.join(HERE, "executed.py")], stdout=subprocess.PIPE)


def spawn_sleep():
    return subprocess.Popen(["/bin/sleep", "0.05"])


def become_python():
    """A child that executes Python in place of itself."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    pid = os.fork()
    if pid == 0:
        os.dup2(writer, 1)
        os.execv(sys.executable, [sys.executable, "-B", os.path.join(HERE, "executed.py")])
    os.close(writer)
    with open(reader) as output:
        reads = int(output.read())
    os.waitpid(pid, 0)
    return {"pid": pid, "reads": reads}


def orphan():
    """A grandchild that sees its parent end."""
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        parent = os.getpid()
        if os.fork() == 0:
            while os.getppid() == parent:
                os.sched_yield()
            os.write(writer, f"{os.getpid()} {os.getppid()}".encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(middle, 0)
    with open(reader) as output:  # until the grandchild ends, too
        pid, new_ppid = map(int, output.read().split())
    return {"pid": pid, "old_ppid": middle, "new_ppid": new_ppid, "old_parent_ended": "exit"}


protocol.ready()
brief = [brief_life() for _ in range(BRIEF)]
python = spawn_python()
python_reads = int(python.communicate()[0])
sleep = spawn_sleep()
sleep.wait()
became = become_python()
orphaned = orphan()
protocol.report(
    {
        "brief": brief,
        "brief_spawned_at": protocol.only_line(fork_brief),
        "brief_read_at": protocol.only_line(brief_read),
        "python": {"pid": python.pid, "reads": python_reads, "spawned_at": protocol.only_line(spawn_python)},
        "sleep": {"pid": sleep.pid, "spawned_at": protocol.only_line(spawn_sleep)},
        "became": became,
        "orphan": orphaned,
        "forked": BRIEF + 3 + 2,
        "execed": 3,
        "exited": BRIEF + 3 + 2,
        "reaped": BRIEF + 3 + 1,
    }
)
protocol.stay()
