"""What a target may do to a program that reads it. It goes on running, and answers."""

import ctypes
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import protocol

kept = []
children = []
servers = []


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


def maps():
    """Has as many mappings as the kernel allows, of a file whose path is as long as it can be."""
    here, folder = os.getcwd(), tempfile.mkdtemp()
    os.chdir(folder)
    for _ in range(15):
        os.mkdir("d" * 250)
        os.chdir("d" * 250)
    with open("f" * 200, "w+b") as file:
        file.truncate(1 << 29)
        pages = mmap.mmap(file.fileno(), 1 << 29, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    os.unlink("f" * 200)
    os.chdir(here)
    shutil.rmtree(folder)
    libc = ctypes.CDLL(None)
    start = address_of(pages)
    for page in range(60_000):
        libc.mprotect(ctypes.c_void_p(start + 8192 * page), 4096, 0)
    kept.append(pages)


def texts():
    """Has the interpreter's instructions in as many mappings as the kernel allows."""
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    path = os.path.realpath(sys.executable)
    file = os.open(path, os.O_RDONLY)
    length = os.path.getsize(path)
    for _ in range(60_000):
        assert libc.mmap(None, length, mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE, file, 0) != 2**64 - 1
    os.close(file)


def address_of(pages):
    """Where a mapping begins: the largest of ours that has a name of such length."""
    with open("/proc/self/maps") as maps:
        lines = [line for line in maps if "ffff (deleted)" in line or line.rstrip().endswith("f" * 200)]
    return int(lines[0].split("-")[0], 16)


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
    """Has a page that nobody gets, neither we nor who reads us: userfaultfd(2) waits for us to fill it."""
    body = "    x = 0\n" * 60_000  # a code object with pages of its own, which only who reads its frame reads
    scope = {"read": os.read}
    exec(compile("def sleeper(fd):\n    read(fd, 1)\n" + body, "<silent>", "exec"), scope)
    fd, pipe = os.pipe()
    tid, _ = protocol.start(lambda: scope["sleeper"](fd))
    protocol.until_parked([tid])
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


def server(prefix):
    """Maps a file of a FUSE file system whose server stands still before anybody has read it."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(0x20000) == 0, os.strerror(ctypes.get_errno())  # CLONE_NEWNS
    assert libc.mount(b"none", b"/", None, 1 << 14 | 1 << 18, None) == 0  # recursive, private
    folder, device = tempfile.mkdtemp(), os.open("/dev/fuse", os.O_RDWR)
    options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % device
    assert libc.mount(b"silent", folder.encode(), b"fuse", 0, options) == 0, os.strerror(ctypes.get_errno())
    pid = os.fork()
    if not pid:
        serve(device)
    os.close(device)
    servers.append(pid)
    name = os.path.join(folder, prefix + "1.so")
    file = os.open(name, os.O_RDONLY)
    kept.append(mmap.mmap(file, 1 << 20, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC))
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    libc.umount2(folder.encode(), 2)  # what is mapped stays
    os.rmdir(folder)


def serve(device):
    """A folder in which every name is a file, for ever: https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/fuse.h"""
    folder = struct.pack("=6Q10I", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0, 0, 4096, 0)
    file = struct.pack("=6Q10I", 2, 1 << 20, 2048, 0, 0, 0, 0, 0, 0, 0o100755, 1, 0, 0, 0, 4096, 0)
    answers = {
        1: struct.pack("=4Q2I", 2, 0, 9999, 9999, 0, 0) + file,  # LOOKUP
        14: struct.pack("=Q2I", 1, 0, 0),  # OPEN
        26: struct.pack("=4I2H2I2H8I", 7, 31, 1 << 17, 0, 16, 12, 1 << 17, 1, 0, 0, *[0] * 8),  # INIT
    }
    while True:
        request = os.read(device, 1 << 18)
        _, opcode, unique, node = struct.unpack_from("=IIQQ", request)
        if opcode == 3:  # GETATTR
            answer = struct.pack("=Q2I", 9999, 0, 0) + (folder if node == 1 else file)
        else:
            answer = answers.get(opcode)
        if opcode not in (2, 36, 42):  # FORGET, INTERRUPT, BATCH_FORGET: nobody waits
            error = 0 if answer is not None else -38
            os.write(device, struct.pack("=IiQ", 16 + len(answer or b""), error, unique) + (answer or b""))


def storm(library):
    """Sends itself ignored signals without pause, below many frames."""
    send = ctypes.CDLL(library).storm

    def deep(frames):
        return deep(frames - 1) if frames else send(os.getpid(), signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    protocol.start(lambda: deep(120))
    kept.append(send)


def breed(parents):
    """Has children that have ever new ones, without pause: each search for all of them finds more."""
    for _ in range(int(parents)):
        pid = os.fork()
        while not pid:
            os.spawnv(os.P_WAIT, "/bin/true", ["true"])
        servers.append(pid)


ways = {
    "breed": breed,
    "decoy": decoy,
    "hoard": hoard,
    "maps": maps,
    "names": names,
    "server": server,
    "silent": silent,
    "storm": storm,
    "texts": texts,
}
work = ways[sys.argv[1]](*sys.argv[2:])
protocol.ready()
protocol.report(work() if work else len(kept))
protocol.stay()
for child in children:
    child.kill()
for pid in servers:
    os.kill(pid, signal.SIGKILL)
os._exit(0)  # without reading what we must not read
