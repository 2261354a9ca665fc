"""Makes a child by every way there is, and prints what became of each."""

import asyncio
import multiprocessing
import os
import signal
import subprocess

import protocol


def fork():
    return os.fork()


def posix_spawn():
    return os.posix_spawn("/bin/sh", ["sh", "-c", "exit 4", "with a blank"], os.environ)


def popen():
    return subprocess.Popen(["sh", "-c", "exit 5"])


def in_a_session():
    return subprocess.Popen(["sh", "-c", "exit 0"], start_new_session=True)


def in_a_group():
    return subprocess.Popen(["sleep", "60"], preexec_fn=os.setpgrp)


def start(process):
    process.start()


async def by_asyncio():
    return await asyncio.create_subprocess_exec("true")


def forked():
    pid = fork()
    if pid == 0:
        os._exit(3)
    os.waitpid(pid, 0)
    return child(pid, "fork", fork, exit_code=3)


def spawned():
    pid = posix_spawn()
    os.waitpid(pid, 0)
    argv = ["sh", "-c", "exit 4", "with a blank"]
    return child(pid, "posix_spawn", posix_spawn, exit_code=4, argv=argv)


def opened():
    process = popen()
    process.wait()
    return child(process.pid, "vfork", popen, exit_code=5, argv=["sh", "-c", "exit 5"])


def leads_a_session():
    process = in_a_session()
    process.wait()
    return child(process.pid, "vfork", in_a_session, pgid=process.pid, sid=process.pid)


def leads_a_group():
    process = in_a_group()
    os.killpg(process.pid, signal.SIGTERM)
    process.wait()
    ended = {"exit_code": None, "exit_signal": "SIGTERM"}
    return child(process.pid, "fork", in_a_group, pgid=process.pid, **ended)


def process_of(kind, how):
    process = multiprocessing.get_context(kind).Process(target=os.getpid)
    start(process)
    process.join()
    return child(process.pid, how, start)


def forkserver():
    """The server forks it, at a line of the library."""
    process = multiprocessing.get_context("forkserver").Process(target=os.getpid)
    start(process)
    process.join()
    return process.pid


def daemon():
    """Two forks and a session; the second child prints who it is."""
    reader, writer = os.pipe()
    middle = fork()
    if middle == 0:
        os.setsid()
        if fork() == 0:
            os.write(writer, str(os.getpid()).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(middle, 0)
    with open(reader) as output:  # until the grandchild has ended, too
        pid = int(output.read())
    grandchild = child(pid, "fork", fork, ppid=middle, pgid=middle, sid=middle, reaped_by=None)
    return [child(middle, "fork", fork, pgid=middle, sid=middle), grandchild]


async def awaited():
    process = await by_asyncio()
    await process.wait()
    return child(process.pid, "vfork", by_asyncio, argv=["true"])


def child(pid, how, line, **differs):
    """What the report should say; what it executed is given by some only."""
    truth = {
        "pid": pid,
        "ppid": os.getpid(),
        "how": how,
        "started_at": protocol.only_line(line),
        "pgid": os.getpgrp() or None,
        "sid": os.getsid(0) or None,  # 0 is a session that began outside of the namespace
        "exit_code": 0,
        "exit_signal": None,
        "reaped_by": os.getpid(),
    }
    return dict(truth, **differs)


if __name__ == "__main__":
    protocol.ready()
    children = [forked(), spawned(), opened(), leads_a_session(), leads_a_group()]
    children += [process_of("fork", "fork"), process_of("spawn", "vfork"), *daemon(), asyncio.run(awaited())]
    protocol.report({"children": children, "forkserver": forkserver()})
    protocol.stay()
