"""Reads that have to wait for their bytes, by a thread that is alone with its GIL."""

import os
import resource
import time

import protocol

READS = 50


def read_answer(fd):
    return os.read(fd, 1)


def so_far():
    """Voluntary switches, and page faults, which may have to wait too."""
    usage = resource.getrusage(resource.RUSAGE_THREAD)
    return usage.ru_nvcsw, usage.ru_minflt + usage.ru_majflt


def serve(questions, answers):
    """Answers each question after 2 ms."""
    while os.read(questions, 1):
        time.sleep(0.002)
        os.write(answers, b"!")
    os._exit(0)


question_reader, question_writer = os.pipe()
answer_reader, answer_writer = os.pipe()
server = os.fork()
if server == 0:
    os.close(question_writer)
    serve(question_reader, answer_writer)

protocol.ready()
switches = faults = waited_ns = 0
for _ in range(READS):
    os.write(question_writer, b"?")
    before, started_ns = so_far(), time.monotonic_ns()
    read_answer(answer_reader)
    waited_ns += time.monotonic_ns() - started_ns
    after = so_far()
    switches += after[0] - before[0]
    faults += after[1] - before[1]
protocol.report({
    "frame": protocol.only_line(read_answer),
    "reads": READS,
    "voluntary_switches": switches,
    "faults": faults,
    "waited_ns": waited_ns,
})
protocol.stay()
