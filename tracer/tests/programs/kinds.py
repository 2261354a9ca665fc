"""Reads one of each kind of file, once its way and once the other, each at a line of its own."""

import ctypes
import fcntl
import os
import pty
import signal
import socket
import sys

import protocol

HERE = os.path.realpath(sys.argv[1])


def procfs(fd):
    return os.read(fd, 64)


def sysfs(fd):
    return os.read(fd, 64)


def regular(fd):
    return os.read(fd, 64)


def unlinked(fd):
    return os.read(fd, 64)


def pipe(fd):
    return os.read(fd, 64)


def fifo(fd):
    return os.read(fd, 64)


def unix(fd):
    return os.read(fd, 64)


def inet(fd):
    return os.read(fd, 64)


def tty(fd):
    return os.read(fd, 64)


def device(fd):
    return os.read(fd, 64)


def memfd(fd):
    return os.read(fd, 64)


def eventfd(fd):
    return os.read(fd, 8)


def timerfd(fd):
    return os.read(fd, 8)


def other_process(fd):
    return os.read(fd, 64)


def direct(fd):
    return os.read(fd, 64)


def would_block(fd):
    return os.read(fd, 64)


def interrupted(fd):
    return os.read(fd, 64)


def buffered(file):
    return file.read(64)


def unbuffered(file):
    return file.read(64)


def into(file, buffer):
    return file.readinto(buffer)


def sent(out, fd):
    return os.sendfile(out, fd, None, 64)


def sent_from(out, fd, start):
    return os.sendfile(out, fd, start, 64)


def spliced(fd, out, start):
    return os.splice(fd, out, 64, offset_src=start)


def spliced_on(fd, out):
    return os.splice(fd, out, 40)


def opened(path, flags=os.O_RDONLY):
    return os.open(path, flags)


def row_of(read, kind, path, calls, bytes, **more):
    errors = more.pop("errors", {})
    return {
        "frame": protocol.only_line(read),
        "syscall": more.pop("syscall", "read"),
        "kind": kind,
        "path": path,
        "syscalls": calls,
        "bytes": bytes,
        "errors": errors,
        "o_direct": more.pop("o_direct", False),
        "nonblocking": more.pop("nonblocking", False),
        "opens": more.pop("opens", 1),
        "through": more.pop("through", "raw"),
    }


def once(read, kind, path, fd, times=1, **more):
    """Reads, and closes at once: what is reported afterwards must have been seen by then."""
    got = sum(len(read(fd)) for _ in range(times))
    os.close(fd)
    return row_of(read, kind, path, times, got, **more)


def files():
    path = os.path.join(HERE, "regular file")
    with open(path, "wb") as file:
        file.write(bytes(10_000))
    yield once(procfs, "procfs", "/proc/%d/status" % os.getpid(), opened("/proc/self/status"), 3)
    yield once(sysfs, "sysfs", "/sys/kernel/notes", opened("/sys/kernel/notes"))
    yield once(regular, "file", path, opened(path), 3)
    gone = os.path.join(HERE, "unlinked")
    with open(gone, "wb") as file:
        file.write(bytes(100))
    fd = opened(gone)
    os.unlink(gone)
    yield once(unlinked, "file", gone + " (deleted)", fd)
    parent = "/proc/%d/stat" % os.getppid()
    yield once(other_process, "procfs", parent, opened(parent))
    fd = os.memfd_create("some memory")
    os.write(fd, bytes(100))
    os.lseek(fd, 0, os.SEEK_SET)
    yield once(memfd, "memfd", "memfd:some memory", fd)
    yield once(device, "device", "/dev/zero", opened("/dev/zero"), 4)


def streams():
    reader, writer = os.pipe()
    path = os.readlink("/proc/self/fd/%d" % reader)
    os.write(writer, bytes(100))
    yield once(pipe, "pipe", path, reader, 2)
    os.close(writer)

    path = os.path.join(HERE, "fifo")
    os.mkfifo(path)
    fd = opened(path, os.O_RDWR)
    os.write(fd, bytes(50))
    yield once(fifo, "fifo", path, fd)

    here, there = socket.socketpair()
    there.send(bytes(30))
    yield once(unix, "unix", None, here.detach())

    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    peer, _ = server.accept()
    peer.send(bytes(40))
    yield once(inet, "inet", "127.0.0.1:%d" % server.getsockname()[1], client.detach())

    master, slave = pty.openpty()
    path = os.ttyname(slave)
    os.write(master, b"a line\n")
    yield once(tty, "tty", path, slave, opens=None)


def anonymous():
    """Of one inode all of them; what distinguishes them is what they do."""
    libc = ctypes.CDLL(None)
    fds = [(eventfd, libc.eventfd(3, 0)), (timerfd, libc.timerfd_create(1, 0))]
    soon = (ctypes.c_long * 4)(0, 0, 0, 1)
    libc.timerfd_settime(fds[1][1], 0, soon, None)
    for read, fd in fds:
        path = os.readlink("/proc/self/fd/%d" % fd)
        yield once(read, "other", path, fd, opens=None)


def failing(read, fd):
    try:
        return len(read(fd))
    except OSError:
        return 0


def failures():
    path = os.path.join(HERE, "direct")
    with open(path, "wb") as file:
        file.write(bytes(8192))
    try:
        fd = opened(path, os.O_RDONLY | os.O_DIRECT)
    except OSError:
        fd = None  # this file system has no such thing
    if fd is not None:
        os.lseek(fd, 1, os.SEEK_SET)
        got = failing(direct, fd)
        os.close(fd)
        # Some file systems do it all the same, through the page cache.
        errors = {} if got else {"EINVAL": 1}
        yield row_of(direct, "file", path, 1, got, o_direct=True, errors=errors)

    first, writer = os.pipe()
    # Two pipes that one descriptor means one after the other have one row in 1 of 16 cases, and no path of their own.
    reader = fcntl.fcntl(first, fcntl.F_DUPFD, 100)
    path = os.readlink("/proc/self/fd/%d" % reader)
    os.set_blocking(reader, False)
    got = sum(failing(would_block, reader) for _ in range(5))
    yield row_of(would_block, "pipe", path, 5, got, nonblocking=True, errors={"EAGAIN": 5})

    os.set_blocking(reader, True)
    # CPython retries; the kernel is asked not to do so itself.
    signal.signal(signal.SIGALRM, lambda *_: os.write(writer, b"!"))
    signal.siginterrupt(signal.SIGALRM, True)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    got = len(interrupted(reader))
    # Its flags are those of its first read.
    yield row_of(interrupted, "pipe", path, 2, got, errors={"EINTR": 1})


def sendings():
    """The file that is read is the second argument."""
    path = os.path.join(HERE, "regular file")
    out = os.memfd_create("what is written to")
    fd = opened(path)
    got = sum(sent(out, fd) for _ in range(3))
    yield row_of(sent, "file", path, 3, got, syscall="sendfile", through=None)
    got = sum(sent_from(out, fd, start) for start in (0, 5000, 9990))
    yield row_of(sent_from, "file", path, 3, got, syscall="sendfile", through=None)
    os.close(fd)


def splicings():
    """One end at least is a pipe; what is read is the first argument, in either case."""
    if not hasattr(os, "splice"):  # before 3.10
        return
    path = os.path.join(HERE, "regular file")
    fd = opened(path)
    reader, writer = os.pipe()
    pipe = os.readlink("/proc/self/fd/%d" % reader)
    out = os.memfd_create("what is written to")
    got = sum(spliced(fd, writer, start) for start in (0, 5000, 9990))
    yield row_of(spliced, "file", path, 3, got, syscall="splice", through=None)
    got = sum(spliced_on(reader, out) for _ in range(4))
    yield row_of(spliced_on, "pipe", pipe, 4, got, syscall="splice", through=None)
    for end in (fd, reader, writer, out):
        os.close(end)


def buffers():
    path = os.path.join(HERE, "regular file")
    with open(path, "rb", buffering=512) as file:
        for _ in range(16):
            buffered(file)
    yield row_of(buffered, "file", path, 2, 1024, through="buffered")
    with open(path, "rb", buffering=0) as file:
        for _ in range(16):
            unbuffered(file)
    yield row_of(unbuffered, "file", path, 16, 1024)
    with open(path, "rb", buffering=0) as file:
        into(file, memoryview(bytearray(200))[:100])
    yield row_of(into, "file", path, 1, 100, through="buffered")


protocol.ready()
truth = [site for kind in (files, streams, anonymous, failures, sendings, splicings, buffers) for site in kind()]
protocol.report(truth)
protocol.stay()
