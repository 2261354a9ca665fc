"""Traces target.py on this kernel and holds the report against what the program is known to do.

Prints a line `verified PROGRAM INSTRUCTIONS` for each probe, and in the end `check: passed` or `check: failed: WHY`, for the
machine outside. The argument says what is expected:
`traces`, `preempts` where the kernel may take the CPU from a breakpoint's program, or `refuses` where the kernel lacks
what the tracer needs.
"""
import json
import platform
import subprocess
import sys
import time

import pair
import programs
import target

TRACER = "/usr/bin/tracer"
TARGET = target.__file__
OTHERS = 20
LINES = open(TARGET).read().splitlines()


def line_of(mark):
    return 1 + next(at for at, line in enumerate(LINES) if line.endswith("# the " + mark))


def main(expected):
    if expected == "refuses":
        refused(*start(target, "--rate", "199"))
    elif expected == "preempts":
        preempted(*start(pair, "--calls", "--budget", "off", "--max-loss", "100"))
    else:
        traced(*start(target, "--rate", "199"))


def start(program, *options):
    """The program, ready, and a tracer that has been started for it."""
    process = subprocess.Popen(
        [sys.executable, program.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    tracer = subprocess.Popen(
        [TRACER, "--pid", str(process.pid), "--json", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return process, tracer


def refused(_, tracer):
    _, said = tracer.communicate()
    expect("the exit code", tracer.returncode, 7)
    if not said.startswith("tracer: cannot ") or len(said.splitlines()) != 1:
        raise AssertionError(f"said {said!r}")
    print(said, end="")


def traced(process, tracer):
    report = follow(process, tracer)
    expect("lost hits", sum(report["quality"]["lost"].values()), 0)
    for check in (quality, switches, reads, signals, zombies, samples):
        check(report)


def preempted(process, tracer):
    """Two processes take one CPU from each other, also in the middle of the program that counts their calls."""
    with open("/sys/kernel/debug/sched/preempt") as mode:
        if "(full)" not in mode.read():
            raise AssertionError("this kernel is not fully preemptible")
    report = follow(process, tracer)
    quality(report)
    lost = report["quality"]["lost"]
    expect("lost for another reason", sum(lost.values()) - lost["map_busy"], 0)
    rows = report["frames"]["entries"]["rows"]
    called = {name: sum(row["count"] for row in rows if row["function"] == name) for name in ("first", "second")}
    missing = 2 * pair.CALLS - sum(called.values())
    if max(called.values()) > pair.CALLS:
        raise AssertionError(f"{called} of {pair.CALLS} calls each")
    # Of the few other functions that start and end the work, one may be lost too.
    if not missing <= lost["map_busy"] <= missing + OTHERS:
        raise AssertionError(f"{called} of {pair.CALLS} calls each, {lost['map_busy']} lost")
    if lost["map_busy"] == 0:
        raise AssertionError("neither took the CPU from the other while a call was counted")


def follow(process, tracer):
    """Lets the program do its work; returns the report."""
    attached = tracer.stderr.readline()
    if "attached" not in attached:
        raise AssertionError(attached + tracer.stderr.read())
    for name, count in sorted(programs.verified().items()):
        print(f"verified {name} {count}")
    process.stdin.write("go\n")
    process.stdin.flush()
    process.stdout.readline()
    time.sleep(0.5)
    process.stdin.close()
    output, said = tracer.communicate()
    expect(f"the exit code ({said!r})", tracer.returncode, 0)
    return json.loads(output)


def quality(report):
    figures = report["quality"]
    lost = sum(figures["lost"].values())
    expect("hits", figures["hits"], figures["filtered"] + figures["emitted"] + figures["aggregated"] + lost)


def switches(report):
    rows = report["switches"]
    expect("switches", sum(row["count"] for row in rows["causes"]), rows["voluntary"] + rows["involuntary"])
    expect("the kernel's voluntary switches", rows["checked_voluntary"], rows["kernel_voluntary"])
    slept = [row for row in rows["causes"] if row["cause"] == "sleep"]
    expect("sleeps", sum(row["count"] for row in slept), target.SLEEPS)
    most_of("sleeps at their line", sum(row["count"] for row in slept if at(row, line_of("sleep"))), target.SLEEPS)


def reads(report):
    found = [row for row in report["reads"] if at(row, line_of("read"))]
    expect("reads", sum(row["syscalls"] for row in found), target.READS)
    expect("bytes", sum(row["bytes"] for row in found), 16 * target.READS)
    if any("/proc/" not in row["path"] for row in found):
        raise AssertionError(f"reads of {[row['path'] for row in found]}")


def signals(report):
    rows = [row for row in report["signals"] if row["signal"] == "SIGUSR1"]
    expect("signals", sum(row["count"] for row in rows), target.SIGNALS)
    expect("outcomes", {row["outcome"] for row in rows}, {"handled"})


def zombies(report):
    rows = [row for row in report["processes"]["zombies"] if row["spawned_at"]]
    expect("zombies", len(rows), target.ZOMBIES)
    expect("their line", {frame_line(row["spawned_at"]) for row in rows}, {line_of("spawn")})


def samples(report):
    figures = report["quality"]["samples"]
    most_of("samples with a stack", figures["python"], figures["taken"])
    top = max(report["frames"]["hot"], key=lambda line: line["self_samples"])
    if top["function"] != "spin":
        raise AssertionError(f"the hottest line is {top}")


def at(row, line):
    return frame_line(row["stack"]) == line


def frame_line(stack):
    """The line of target.py nearest to the leaf."""
    return next((frame["line"] for frame in stack or [] if frame["file"] == TARGET), None)


def most_of(what, seen, of):
    """An emulated machine pages late: not every stack can be read in there."""
    if seen < 0.8 * of or of == 0:
        raise AssertionError(f"{what}: {seen} of {of}")


def expect(what, seen, wanted):
    if seen != wanted:
        raise AssertionError(f"{what}: {seen}, not {wanted}")


try:
    print(f"\nkernel {platform.release()}")
    main(sys.argv[1])
    print("check: passed")
except Exception as problem:
    print(f"check: failed: {problem}")
