//! Each system call that can fail does, one after the other: strace(1) answers in the kernel's place.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustix::process::{Pid, kill_process};

use super::{IN_TIME, Target, assert_orderly};
use crate::harness::{
    Holdings, Program, Run, Scratch, Signal, Tracer, number, only_child, skip, system, turn, until,
};

/// What fails, how, and how it may end besides: before `main` the dynamic linker fails, with 127; what gets no memory
/// is aborted by the standard library; and where the kernel seems not to know global functions, it verifies some probes for
/// a minute, until it is asked to end.
const FAULTS: [(&str, &str, &[i32]); 9] = [
    ("bpf", "EPERM", &[GIVEN_UP]),
    ("perf_event_open", "EMFILE", &[]),
    ("openat", "EACCES", &[127]),
    ("read", "EIO", &[127]),
    ("pread64", "EIO", &[127]),
    ("mmap", "ENOMEM", &[127, 128 + 6, 128 + 11]),
    ("ioctl", "EINVAL", &[]),
    ("process_vm_readv", "ESRCH", &[]),
    ("clone3", "EAGAIN", &[]),
];

/// Exit code of timeout(1).
const GIVEN_UP: i32 = 124;

#[test]
fn some_calls_fail() {
    fail(&[1, 6, 40, 150]);
}

#[test]
#[ignore = "minutes: cargo xtask chaos"]
fn every_call_fails() {
    let every: Vec<_> = (1..60).chain((60..2_000).step_by(23)).collect();
    fail(&every);
}

/// Each call takes a tenth of a second more, as on a machine that has much to do: to attach takes half a minute, and a signal
/// ends it at once all the same.
#[test]
fn a_signal_while_attaching_ends_it() {
    if !Path::new("/usr/bin/strace").exists() {
        return skip("there is no strace");
    }
    let _turn = turn();
    let Some(mut target) = Target::start() else { return };
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut command = Command::new("strace");
        command.args(["-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=bpf"]);
        command.args(["-e", "inject=bpf:delay_exit=100000", env!("CARGO_BIN_EXE_tracer"), "--json", "--pid"]);
        let strace = Tracer::spawn(command.arg(target.pid().to_string()));
        let tracer = until("a program to be loaded", || {
            let child = fs::read_to_string(format!("/proc/{0}/task/{0}/children", strace.pid())).ok()?;
            let tracer: u32 = child.trim().parse().ok()?;
            (!Holdings::new(tracer).is_empty()).then_some(tracer)
        });
        let held = Holdings::new(tracer);
        let pid = Pid::from_raw(tracer.cast_signed()).expect("no process has the id 0");
        kill_process(pid, signal).expect("it runs");
        let asked = Instant::now();
        let run = strace.end();
        assert!(asked.elapsed() < IN_TIME / 2, "{signal:?}: {:?}", asked.elapsed());
        assert_eq!((run.code, &*run.stdout), (128 + signal.as_raw(), ""), "{}", run.stderr);
        target.assert_whole(tracer, &held);
    }
    target.finish();
}

/// A kernel with full dynamic ticks refuses to say when all probes have ended; a pause does instead, and totals hold.
#[test]
fn totals_hold_where_the_kernel_does_not_wait_for_probes() {
    if !Path::new("/usr/bin/strace").exists() {
        return skip("there is no strace");
    }
    let Some(python) = system() else { return };
    let _turn = turn();
    let scratch = Scratch::new();
    let log = scratch.file("strace");
    let mut program = Program::start(&python, "switches.py");
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "--seccomp-bpf",
        "-e",
        "trace=membarrier",
        "-e",
        "inject=membarrier:error=EINVAL",
        "-o",
    ]);
    command.arg(&log).args([env!("CARGO_BIN_EXE_tracer"), "--json", "--pid"]);
    let tracer = Tracer::spawn(command.arg(program.pid().to_string()));
    tracer.until_attached();
    program.go();
    assert!(program.rests(), "the main thread sleeps in its next read");
    let pid = Pid::from_raw(only_child(tracer.pid()).cast_signed()).expect("no process has the id 0");
    kill_process(pid, Signal::INT).expect("it runs");
    let report = tracer.end().exact();

    let refused = fs::read_to_string(&log).expect("strace writes").matches("(INJECTED)").count();
    assert!(refused > 0, "at the end, if not before");
    let of = |name: &str| number(&report["switches"][name]);
    let (kernel, checked) = (of("kernel_voluntary"), of("checked_voluntary"));
    assert!(kernel > 0 && kernel.abs_diff(checked) <= 2, "{checked} counted, {kernel} by the kernel");
    program.finish();
}

fn fail(which: &[u32]) {
    if !Path::new("/usr/bin/strace").exists() {
        return skip("there is no strace");
    }
    let _turn = turn();
    let Some(mut target) = Target::start() else { return };
    let scratch = Scratch::new();
    let log = scratch.file("strace");
    for (call, error, ends) in FAULTS {
        for &when in which {
            let fault = format!("{call}:error={error}:when={when}");
            let began = Instant::now();
            let run = run_with(&target, &log, &fault);
            // Under strace it takes longer to attach.
            assert!(began.elapsed() < IN_TIME * 2, "{fault}: {:?}", began.elapsed());
            if !ends.contains(&run.code) {
                assert_orderly(&run, &fault);
            }
            target.assert_whole(0, &Holdings::default());
            let was_injected = fs::read_to_string(&log).is_ok_and(|log| log.contains("(INJECTED)"));
            if !was_injected {
                break; // there are no more such calls
            }
        }
    }
    target.finish();
}

fn run_with(target: &Target, log: &Path, fault: &str) -> Run {
    let mut command = Command::new("strace");
    command
        .args(["-f", "--seccomp-bpf", "-e"])
        .arg(format!("trace={}", fault.split(':').next().unwrap_or("")));
    command.arg("-e").arg(format!("inject={fault}")).arg("-o").arg(log);
    command.arg(env!("CARGO_BIN_EXE_tracer")).args(["--json", "-d", "200ms", "--budget", "off", "--pid"]);
    Tracer::spawn(command.arg(target.pid().to_string())).end()
}
