//! Who is measured: the tracer, its peers, and nobody.

use std::path::Path;
use std::process::Command;

use super::peers::Peers;

/// One row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// Nobody.
    Untraced,
    /// Us, with these flags.
    Tracer(&'static [&'static str]),
    /// `py-spy record` with these flags.
    PySpy(&'static [&'static str]),
    /// austin at 1 kHz.
    Austin,
    /// The same with its children.
    AustinChildren,
    /// CPython 3.15's `profiling.sampling` at 1 kHz.
    Sampler,
    /// `perf record` at 999 Hz, without Python frames.
    Perf,
    /// `perf trace -s`.
    PerfTrace,
    /// `strace -c`.
    Strace,
    /// Reads by descriptor, counted by bpftrace.
    BpftraceReads,
    /// Switches, counted by bpftrace.
    BpftraceSwitches,
    /// A program at every system call's exit that does nothing.
    BpftraceEmpty,
    /// `tracer dump`, to its end.
    TracerDump,
    /// `py-spy dump`.
    PySpyDump,
    /// `austin --where`.
    AustinWhere,
}

use Contender::*;

/// Whose output says how often which function was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A report of ours.
    Report,
    /// Lines `frame;frame;… count`.
    Collapsed,
    /// Of no use here.
    Nothing,
}

impl Contender {
    /// As the table has it.
    pub fn name(self) -> String {
        let with = |name: &str, flags: &[&str]| [&[name], flags].concat().join(" ");
        match self {
            Untraced => "untraced".to_owned(),
            Tracer(flags) => with("tracer", flags),
            PySpy(flags) => with("py-spy", flags),
            Austin => "austin -i 1ms".to_owned(),
            AustinChildren => "austin -C -i 10ms".to_owned(),
            Sampler => "profiling.sampling -r 1khz".to_owned(),
            Perf => "perf record -F 999".to_owned(),
            PerfTrace => "perf trace -s".to_owned(),
            Strace => "strace -c".to_owned(),
            BpftraceReads => "bpftrace, reads by fd".to_owned(),
            BpftraceSwitches => "bpftrace, switches".to_owned(),
            BpftraceEmpty => "bpftrace, empty sys_exit".to_owned(),
            TracerDump => "tracer dump".to_owned(),
            PySpyDump => "py-spy dump".to_owned(),
            AustinWhere => "austin --where".to_owned(),
        }
    }

    /// What it writes to the file that it is given.
    pub fn output(self) -> Output {
        match self {
            Tracer(_) => Output::Report,
            PySpy(_) | Austin | AustinChildren | Sampler => Output::Collapsed,
            _ => Output::Nothing,
        }
    }

    /// Runs to its end by itself: its time is what is measured.
    pub fn is_a_dump(self) -> bool {
        matches!(self, TracerDump | PySpyDump | AustinWhere)
    }

    /// Its command line for a process; `None` for nobody.
    pub fn command(self, peers: &Peers, pids: &[u32], output: &Path) -> Option<Command> {
        let pid = pids[0].to_string();
        let program = |name: &str, args: &[&str]| {
            let mut command = Command::new(peers.path(name));
            command.args(args);
            command
        };
        let bpftrace = |script: String| with_tracefs(&["bpftrace", "-e", &script]);
        let mut command = match self {
            Untraced => return None,
            Tracer(flags) => {
                let all: Vec<_> = pids.iter().map(u32::to_string).collect();
                let mut command = program("tracer", &["--json", "--pid", &all.join(",")]);
                command.args(flags).arg("--output").arg(output);
                command
            }
            PySpy(flags) => {
                let mut command = program("py-spy", &["record", "--pid", &pid, "--format", "raw"]);
                command.args(flags).arg("--output").arg(output);
                command
            }
            Austin => program("austin", &["-i", "1ms", "-p", &pid]),
            AustinChildren => program("austin", &["-C", "-i", "10ms", "-p", &pid]),
            Sampler => {
                let module =
                    ["-m", "profiling.sampling", "attach", "-r", "1khz", "-d", "3600", "--collapsed"];
                let mut command = program("python3.15", &module);
                // Its own folder has no other locale.
                command.env("LC_ALL", "C").env("PYTHONUTF8", "1").arg("-o").arg(output).arg(&pid);
                command
            }
            Perf => {
                let mut command = program("perf", &["record", "-F", "999", "-g", "-p", &pid]);
                command.arg("-o").arg(output);
                command
            }
            PerfTrace => with_tracefs(&["perf", "trace", "-s", "-p", &pid]),
            Strace => {
                let mut command = program("strace", &["-c", "-f"]);
                command.args(pids.iter().map(|pid| format!("--attach={pid}")));
                command
            }
            BpftraceReads => bpftrace(format!(
                "tracepoint:syscalls:sys_enter_read /pid == {pid}/ {{ @fd[tid] = args->fd; }} \
                 tracepoint:syscalls:sys_exit_read /pid == {pid}/ {{ @n[@fd[tid]] = count(); }}"
            )),
            BpftraceSwitches => bpftrace(format!(
                "tracepoint:sched:sched_switch /args->prev_pid == {pid}/ {{ @n = count(); }}"
            )),
            BpftraceEmpty => {
                bpftrace("tracepoint:raw_syscalls:sys_exit /pid == 0/ { @n = count(); }".to_owned())
            }
            TracerDump => program("tracer", &["dump", "--pid", &pid]),
            PySpyDump => program("py-spy", &["dump", "--pid", &pid]),
            AustinWhere => program("austin", &["--where", &pid]),
        };
        if matches!(self, Austin | AustinChildren) {
            command.arg("-o").arg(output);
        }
        Some(command)
    }

    /// Whether its program is here.
    pub fn is_here(self, peers: &Peers) -> bool {
        self.program().is_none_or(|program| peers.find(program).is_some())
    }

    /// The program that it is.
    fn program(self) -> Option<&'static str> {
        Some(match self {
            Untraced => return None,
            Tracer(_) | TracerDump => "tracer",
            PySpy(_) | PySpyDump => "py-spy",
            Austin | AustinChildren | AustinWhere => "austin",
            Sampler => "python3.15",
            Perf | PerfTrace => "perf",
            Strace => "strace",
            BpftraceReads | BpftraceSwitches | BpftraceEmpty => "bpftrace",
        })
    }
}

/// Peers look for tracepoints in tracefs, which not every system mounts: theirs goes away with them.
fn with_tracefs(words: &[&str]) -> Command {
    const MOUNT: &str =
        "mount -t tracefs tracefs /sys/kernel/tracing; ulimit -l unlimited; exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", MOUNT]).args(words);
    command
}
