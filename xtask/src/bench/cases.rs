//! The workloads, and who is measured on each.

use super::contender::Contender::{self, *};

/// One table.
pub struct Case {
    /// What it is asked for by.
    pub name: &'static str,
    /// What the target must keep, or the like, as the goal says it.
    pub goal: &'static str,
    /// Release of CPython 3 that runs it.
    pub minor: u8,
    /// The traced program and its arguments.
    pub target: &'static [&'static str],
    /// Packages that it imports, of those that `cargo xtask pythons` gets.
    pub packages: &'static [&'static str],
    /// A program that is not traced, whose throughput is measured instead of the target's.
    pub neighbour: Option<&'static str>,
    /// Turns of each contender at most.
    pub rounds: usize,
    /// In turn; the first is what others are compared with.
    pub contenders: &'static [Contender],
}

const DEFAULT: Case = Case {
    name: "",
    goal: "",
    minor: 12,
    target: &[],
    packages: &[],
    neighbour: None,
    rounds: usize::MAX,
    contenders: &[],
};

/// Who is measured on servers.
const SERVED: &[Contender] = &[
    Untraced,
    Tracer(&[]),
    Tracer(&["--skip", "reads"]),
    PySpy(&["--rate", "99", "--nonblocking", "--subprocesses"]),
    Strace,
];

/// Who is measured on programs that should not notice us.
const UNNOTICED: &[Contender] =
    &[Untraced, Tracer(&[]), PySpy(&["--rate", "99", "--nonblocking"]), Austin, Perf, Strace];

/// All of them.
pub const CASES: &[Case] = &[
    Case {
        name: "cpu",
        goal: "throughput at least 0.99 at 99 Hz, 0.98 at 999 Hz",
        target: &["calls.py"],
        contenders: &[
            Untraced,
            Tracer(&[]),
            Tracer(&["--rate", "999"]),
            PySpy(&["--rate", "999"]),
            PySpy(&["--rate", "999", "--nonblocking"]),
            Austin,
            Perf,
        ],
        ..DEFAULT
    },
    Case {
        name: "sampler",
        goal: "CPython's own sampler beside ours, at 999 Hz",
        minor: 15,
        target: &["fractions.py"],
        contenders: &[Untraced, Tracer(&["--rate", "999"]), Sampler],
        ..DEFAULT
    },
    Case {
        name: "fractions",
        goal: "distance from the truth at or below that of ideal sampling",
        target: &["fractions.py"],
        contenders: &[
            Untraced,
            Tracer(&["--rate", "999"]),
            PySpy(&["--rate", "999", "--nonblocking"]),
            Austin,
        ],
        ..DEFAULT
    },
    Case {
        name: "depth10",
        goal: "a walk takes at most 2 us and 0.12 us a frame",
        target: &["recursion.py", "10"],
        contenders: &[Untraced, Tracer(&["--rate", "999", "--only", "frames", "--depth", "1024"])],
        ..DEFAULT
    },
    Case {
        name: "depth100",
        goal: "a walk takes at most 2 us and 0.12 us a frame",
        target: &["recursion.py", "100"],
        contenders: &[Untraced, Tracer(&["--rate", "999", "--only", "frames", "--depth", "1024"])],
        ..DEFAULT
    },
    Case {
        name: "depth1000",
        goal: "a walk takes at most 2 us and 0.12 us a frame, none is truncated",
        target: &["recursion.py", "1000"],
        contenders: &[Untraced, Tracer(&["--rate", "999", "--only", "frames", "--depth", "1024"])],
        ..DEFAULT
    },
    Case {
        name: "locks",
        goal: "50 threads, 4 of which take turns at a lock",
        target: &["threads.py", "4", "46"],
        contenders: &[Untraced, Tracer(&[]), PySpy(&["--rate", "99", "--nonblocking"])],
        ..DEFAULT
    },
    Case {
        name: "threads",
        goal: "throughput at least 0.97 beside 999 threads that wait",
        target: &["threads.py", "0", "999"],
        contenders: &[Untraced, Tracer(&[]), Tracer(&["--rate", "999"]), PySpy(&["--rate", "99"])],
        ..DEFAULT
    },
    Case {
        name: "files",
        goal: "throughput at least 0.86, level with bpftrace",
        target: &["files.py"],
        contenders: &[Untraced, Tracer(&[]), Tracer(&["--skip", "reads"]), BpftraceReads, Strace, PerfTrace],
        ..DEFAULT
    },
    Case {
        name: "bytes",
        goal: "throughput at least 0.85 under the default budget",
        target: &["bytes.py", "0"],
        contenders: &[Untraced, Tracer(&[]), Tracer(&["--budget", "off"]), BpftraceReads, Strace],
        ..DEFAULT
    },
    Case {
        name: "contended",
        goal: "the same reads beside three threads that want the GIL",
        target: &["bytes.py", "3"],
        contenders: &[Untraced, Tracer(&[]), BpftraceReads],
        ..DEFAULT
    },
    Case {
        name: "switches",
        goal: "throughput at least 0.95 at 20,000 switches a second",
        target: &["switches.py"],
        contenders: &[Untraced, Tracer(&[]), Tracer(&["--skip", "reads"]), BpftraceSwitches],
        ..DEFAULT
    },
    Case {
        name: "calls",
        goal: "throughput at least 0.90 under the default budget",
        minor: 10,
        target: &["calls.py"],
        contenders: &[Untraced, Tracer(&["--calls"]), Tracer(&["--calls", "--budget", "off"])],
        ..DEFAULT
    },
    Case {
        name: "web",
        goal: "a web server under load",
        target: &["web.py"],
        contenders: &[Untraced, Tracer(&[]), PySpy(&["--rate", "99", "--nonblocking"]), Strace],
        ..DEFAULT
    },
    Case {
        name: "gunicorn",
        goal: "CPU per request at most 1.03 of untraced: gunicorn, one sync worker",
        target: &["serve.py", "gunicorn"],
        packages: &["gunicorn"],
        contenders: SERVED,
        ..DEFAULT
    },
    Case {
        name: "gthread",
        goal: "CPU per request at most 1.03 of untraced: gunicorn, one worker with four threads",
        target: &["serve.py", "gthread"],
        packages: &["gunicorn"],
        contenders: SERVED,
        ..DEFAULT
    },
    Case {
        name: "uvicorn",
        goal: "CPU per request at most 1.03 of untraced: uvicorn",
        target: &["serve.py", "uvicorn"],
        packages: &["uvicorn"],
        contenders: SERVED,
        ..DEFAULT
    },
    Case {
        name: "celery",
        goal: "CPU per task at most 1.03 of untraced: a worker of Celery with one process",
        target: &["jobs.py"],
        packages: &["celery"],
        contenders: SERVED,
        ..DEFAULT
    },
    Case {
        name: "flask",
        goal: "CPU per request at most 1.01 of untraced: Flask's test client",
        target: &["client.py"],
        packages: &["Flask"],
        contenders: UNNOTICED,
        ..DEFAULT
    },
    Case {
        name: "collects",
        goal: "CPU per object at most 1.01 of untraced, where garbage is collected often",
        target: &["collects.py"],
        contenders: UNNOTICED,
        ..DEFAULT
    },
    Case {
        name: "collects311",
        goal: "the same on 3.11",
        minor: 11,
        target: &["collects.py"],
        contenders: &[Untraced, Tracer(&[])],
        ..DEFAULT
    },
    Case {
        name: "arguments",
        goal: "CPU per call at most 1.01 of untraced, where `Py_BuildValue` is called a million times a second",
        target: &["arguments.py"],
        contenders: UNNOTICED,
        ..DEFAULT
    },
    Case {
        name: "handled",
        goal: "CPU per signal at most 1.03 of untraced, where thousands are handled",
        target: &["handled.py"],
        contenders: UNNOTICED,
        ..DEFAULT
    },
    Case {
        name: "forks",
        goal: "a child every millisecond or two",
        target: &["forks.py"],
        contenders: &[Untraced, Tracer(&[]), Strace],
        ..DEFAULT
    },
    Case {
        name: "crowd",
        goal: "200 processes: at most 0.2 core and 64 MB",
        target: &["crowd.py", "200"],
        rounds: 3, // it takes py-spy a while to find 200 processes
        contenders: &[Untraced, Tracer(&[]), PySpy(&["--rate", "99", "--subprocesses"]), AustinChildren],
        ..DEFAULT
    },
    Case {
        name: "idle",
        goal: "an idle process: next to nothing",
        target: &["idle.py"],
        contenders: &[Untraced, Tracer(&[]), PySpy(&["--rate", "99"]), Austin],
        ..DEFAULT
    },
    Case {
        name: "neighbour",
        goal: "a system call of a process that is not traced: at most 1.2 x an empty sys_exit program",
        target: &["idle.py"],
        neighbour: Some("syscalls.py"),
        contenders: &[Untraced, Tracer(&[]), Tracer(&["--skip", "reads"]), BpftraceEmpty, BpftraceReads],
        ..DEFAULT
    },
    Case {
        name: "pingpong",
        goal: "switches of processes that are not traced: at most 4 % slower",
        target: &["idle.py"],
        neighbour: Some("pingpong.py"),
        contenders: &[Untraced, Tracer(&["--skip", "reads"]), Tracer(&[]), BpftraceSwitches],
        ..DEFAULT
    },
    Case {
        name: "attach",
        goal: "at most 150 ms from exec to the first sample of a busy target",
        target: &["calls.py"],
        contenders: &[Untraced, Tracer(&[]), Tracer(&["--only", "frames"])],
        ..DEFAULT
    },
    Case {
        name: "dump",
        goal: "at most 25 ms for the stacks of one process that sleeps",
        target: &["idle.py"],
        contenders: &[TracerDump, PySpyDump, AustinWhere],
        ..DEFAULT
    },
];
