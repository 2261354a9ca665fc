"""Reads that have to wait for their bytes, by a thread that is alone with its GIL."""

import os
import resource
import time

import told

READS = 50


def read_answer(fd):
    return os.read(fd, 1)


def voluntary_switches():
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


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

told.ready()
switches = waited_ns = 0
for _ in range(READS):
    os.write(question_writer, b"?")
    before, started_ns = voluntary_switches(), time.monotonic_ns()
    read_answer(answer_reader)
    waited_ns += time.monotonic_ns() - started_ns
    switches += voluntary_switches() - before
truth = {"frame": told.only_line(read_answer), "reads": READS, "voluntary_switches": switches, "waited_ns": waited_ns}
told.tell(truth)
told.stay()
