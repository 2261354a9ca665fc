//! A process that is to be traced.

use tracer_common::python::{Python, THREAD_STATES};

use super::check::Check;
use crate::event::Pid;
use crate::process::{self, Process};
use crate::python::{Interpreter, discover};
use crate::report::Name;

/// All of them; `works_here` says whether probes do. The first that fails is the last.
pub fn checks(pid: Pid, works_here: bool) -> Vec<Check> {
    let process = match Process::open(pid) {
        Ok(process) => process,
        Err(error) => return vec![refused("process", &error)],
    };
    let title = Name::from(process.title().unwrap_or_default());
    let mut checks = vec![Check::ok("process", format!("PID {}, {title}", process.pid))];
    checks.extend(circumstances(&process));
    match discover(&process) {
        Ok(interpreter) => checks.extend(of_interpreter(&process, &interpreter, works_here)),
        Err(error) => checks.push(refused("interpreter", &error)),
    }
    checks
}

fn refused(name: &'static str, error: &process::Error) -> Check {
    Check::error(name, error.kind(), error)
}

/// What others do to it.
fn circumstances(process: &Process) -> [Check; 2] {
    let tracer = process.status_number("TracerPid").unwrap_or(0);
    let traced = match tracer {
        0 => Check::ok("ptrace", "nobody"),
        pid => Check::lacking(
            "ptrace",
            format!("PID {pid} ptraces it and may stop it at any time: it may cause waits"),
            format!("try again after PID {pid} has detached"),
        ),
    };
    let seccomp = match process.status_number("Seccomp").unwrap_or(0) {
        0 => Check::ok("seccomp", "no filter"),
        _ => {
            Check::ok("seccomp", "a filter, which does not affect the probes: they make no system call in it")
        }
    };
    [traced, seccomp]
}

fn of_interpreter(process: &Process, interpreter: &Interpreter, works_here: bool) -> Vec<Check> {
    let file = Name::new(&interpreter.file);
    let found = format!("CPython {}, known by {} in {file}", interpreter.version, interpreter.how_found);
    let build = if interpreter.free_threaded { "; a build without a GIL" } else { "" };
    vec![
        Check::ok("interpreter", format!("{found}{build}")),
        thread_states(process, interpreter),
        gil(interpreter),
        evaluation(interpreter),
        sections(interpreter, works_here),
    ]
}

fn thread_states(process: &Process, interpreter: &Interpreter) -> Check {
    let states = interpreter.thread_states(&process.memory()).unwrap_or_default().len();
    let by_list = format!(
        "{states}, by the interpreters' lists: a thread looks for its own among the first {THREAD_STATES}"
    );
    let Python { thread_state_table: table, thread_state_slot: slot, .. } = interpreter.python;
    match (table, slot) {
        (0, 0) if states > THREAD_STATES as usize => Check::lacking(
            "thread states",
            format!("{by_list}; the others have no stacks"),
            "try tracer dump, which sees them all while they sleep",
        ),
        (0, 0) => Check::ok("thread states", by_list),
        (0, slot) => {
            Check::ok("thread states", format!("{states}, each in its thread's slot at FS base {slot:+#x}"))
        }
        (table, slot) => Check::ok(
            "thread states",
            format!("{states}, each in its thread's slot at {slot:#x} of the table at FS base {table:+#x}"),
        ),
    }
}

fn gil(interpreter: &Interpreter) -> Check {
    match interpreter.python.gil {
        0 if interpreter.free_threaded => Check::ok("gil", "there is none"),
        0 if interpreter.python.has_gil() => Check::ok("gil", "made with the first thread"),
        0 => Check::lacking(
            "gil",
            "its address is not known: waits for the GIL are reported as waits for a lock",
            "try an interpreter that is not stripped",
        ),
        address => Check::ok("gil", format!("at {address:#x}")),
    }
}

/// For `--calls`.
fn evaluation(interpreter: &Interpreter) -> Check {
    let name = "evaluation function";
    let remedy = "try without --calls";
    match &interpreter.eval_frame {
        None => Check::lacking(name, "not found: its entries cannot be counted", remedy),
        Some(eval) if !eval.is_emulated() => Check::lacking(
            name,
            "its first instruction is single-stepped: --calls costs ten times as much",
            remedy,
        ),
        Some(eval) => {
            Check::ok(name, format!("at offset {:#x}, its first instruction is emulated", eval.file_offset))
        }
    }
}

/// What a report of it will have.
fn sections(interpreter: &Interpreter, works_here: bool) -> Check {
    let name = "sections";
    match (works_here, interpreter.python.has_gil()) {
        (false, _) => {
            Check::lacking(name, "none: the probes do not work here", "try the remedies above first")
        }
        (true, false) => Check::ok(name, "switches, reads, processes, signals, frames; no gil, see above"),
        (true, true) => Check::ok(name, "switches, gil, reads, processes, signals, frames"),
    }
}
