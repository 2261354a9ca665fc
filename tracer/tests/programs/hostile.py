"""What a target may do to whoever looks at it. It lives in spite of itself, and answers."""

import ctypes
import mmap
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time

import told

kept = []
children = []


def names(prefix):
    """Maps an ELF file whose 600,000 symbols have one name without end, below all others."""
    symbols, strings = 600_000 * 24, 15 << 20
    header = 64 + 56
    sections = header + symbols + strings
    with tempfile.NamedTemporaryFile(prefix=prefix) as file:
        ident = b"\x7fELF\x02\x01\x01" + bytes(9)
        file.write(ident + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, sections, 0, 64, 56, 1, 64, 3, 0))
        file.write(struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, sections, sections, 4096))
        file.write(struct.pack("<IBBHQQ", 1, 2, 0, 1, 0, 0) * (symbols // 24))
        file.write(b"_" * strings)
        file.write(bytes(64))
        file.write(struct.pack("<IIQQQQIIQQ", 0, 11, 0, 0, header, symbols, 2, 0, 8, 24))
        file.write(struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, header + symbols, strings, 0, 0, 1, 0))
        file.flush()
        kept.append(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ | mmap.PROT_EXEC))


def decoy(library):
    """Loads another interpreter that it does not use."""
    kept.append(ctypes.CDLL(library))


def hoard():
    """Executes thousands of functions with long names and lines without number, and children with long command lines."""
    pad = "n" * 16_000
    table = bytes([0x80 | 11 << 3, 0, 0]) * 300_000  # a line each
    null = os.open("/dev/null", os.O_RDONLY)
    scope = {"read": os.read, "sleep": time.sleep, "null": null}
    exec("def template():\n    read(null, 1)\n    sleep(0)\n", scope)
    code = scope["template"].__code__
    function = type(scope["template"])
    for number in range(4_000):
        name = "%s%d" % (pad, number)
        kept.append(function(code.replace(co_name=name, co_qualname=name, co_filename=name, co_linetable=table), scope))
    arguments = [pad] * 2

    def work():
        for _ in range(250):
            children.append(subprocess.Popen(["/bin/sh", "-c", "sleep 60; :"] + arguments))
        for one in kept:
            one()
        return len(kept)

    return work


def silent():
    """Has a page that nobody gets, neither we nor who looks at us: userfaultfd(2) waits for us to fill it."""
    body = "    x = 0\n" * 60_000  # a code object with pages of its own, which only who reads its frame looks at
    scope = {"read": os.read}
    exec(compile("def sleeper(fd):\n    read(fd, 1)\n" + body, "<silent>", "exec"), scope)
    fd, pipe = os.pipe()
    tid, _ = told.start(lambda: scope["sleeper"](fd))
    told.until_parked([tid])
    libc = ctypes.CDLL(None, use_errno=True)
    page = id(scope["sleeper"].__code__) & ~4095
    fault = libc.syscall(323, os.O_CLOEXEC)  # userfaultfd
    assert fault >= 0, os.strerror(ctypes.get_errno())
    api = ctypes.create_string_buffer(struct.pack("=QQQ", 0xAA, 0, 0))
    assert libc.ioctl(fault, ctypes.c_ulong(0xC018AA3F), api) == 0, os.strerror(ctypes.get_errno())  # UFFDIO_API
    register = ctypes.create_string_buffer(struct.pack("=QQQQ", page, 4096, 1, 0))
    assert libc.ioctl(fault, ctypes.c_ulong(0xC020AA00), register) == 0, os.strerror(ctypes.get_errno())  # _REGISTER
    assert libc.madvise(ctypes.c_void_p(page), 4096, 4) == 0, os.strerror(ctypes.get_errno())  # MADV_DONTNEED
    kept.append((fault, pipe, scope))


def storm(library):
    """Sends itself ignored signals without pause, below many frames."""
    send = ctypes.CDLL(library).storm

    def deep(frames):
        return deep(frames - 1) if frames else send(os.getpid(), signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    told.start(lambda: deep(120))
    kept.append(send)


work = {"names": names, "decoy": decoy, "hoard": hoard, "silent": silent, "storm": storm}[sys.argv[1]](*sys.argv[2:])
told.ready()
told.tell(work() if work else len(kept))
told.stay()
for child in children:
    child.kill()
os._exit(0)  # without a look at what we must not look at
