"""Eleven programs in one: the first argument says which. Each is off its CPU for a reason of its own."""

import mmap
import os
import select
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import protocol

END = 0.8


def until(work):
    """Works for a while."""
    end = time.time() + END
    while time.time() < end:
        work()


def in_threads(works):
    threads = [threading.Thread(target=until, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def locks():
    import queue

    lock, items = threading.Lock(), queue.Queue(4)

    def contend():
        with lock:
            time.sleep(0.001)

    def put():
        items.put(1, True, 0.05)
        time.sleep(0.0005)

    def get():
        try:
            items.get(True, 0.01)
        except queue.Empty:
            pass

    in_threads([contend, contend, put, get])


def ends():
    """Many at a time, so that some lose their CPU on their way out."""
    end = time.monotonic() + 0.5
    threads = [threading.Thread(target=lambda: time.sleep(end - time.monotonic())) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def processes():
    import multiprocessing

    context = multiprocessing.get_context("fork")
    pool = context.Pool(2)
    until(lambda: pool.map(abs, range(100)))
    pool.close()
    pool.join()


def sockets():
    import asyncio

    async def echo(reader, writer):
        while True:
            data = await reader.read(64)
            if not data:
                break
            writer.write(data)
            await writer.drain()
        writer.close()

    async def talk():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        end = time.time() + END
        while time.time() < end:
            writer.write(b"x")
            await reader.read(1)
            await asyncio.sleep(0.001)
        writer.close()
        server.close()

    asyncio.new_event_loop().run_until_complete(talk())


def database():
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as file:
        connection = sqlite3.connect(file.name)
        connection.execute("create table t (a)")

        def insert():
            connection.execute("insert into t values (1)")
            connection.commit()

        until(insert)


def pipes():
    def call():
        subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE).communicate(b"x" * 1000)

    until(call)


def sleeps():
    until(lambda: time.sleep(0.002))


def selects():
    ends = os.pipe()
    until(lambda: select.select([ends[0]], [], [], 0.002))


def disk():
    """Reads what is not in the page cache."""
    with tempfile.TemporaryFile(dir="/var/tmp") as file:
        file.write(os.urandom(1 << 20) * 32)
        file.flush()
        os.fsync(file.fileno())

        def read():
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            while os.read(file.fileno(), 1 << 20):
                pass

        until(read)


def faults():
    """Touches pages of a file that are not in memory, in no order that could be read ahead."""
    size = 32 << 20
    with tempfile.TemporaryFile(dir="/var/tmp") as file:
        file.write(os.urandom(1 << 20) * 32)
        file.flush()
        os.fsync(file.fileno())

        def touch():
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            pages = mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ)
            pages.madvise(mmap.MADV_RANDOM)
            for page in range(0, size, 37 * 4096):
                pages[page]
            pages.close()

        until(touch)


def computes():
    until(lambda: sum(range(1000)))


protocol.ready()
globals()[sys.argv[1]]()
protocol.report({})
protocol.stay()
