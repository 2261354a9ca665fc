//! Targets that mean ill: they cost time and memory within bounds, and hide nobody.

use std::time::{Duration, Instant};

use crate::harness::{Interpreter, Program, Python, Run, on_pythons, run, skip, system, text, turn};
use crate::targets::library;

/// What a command may take beyond what it was asked to: an end within a second, and as much to begin.
const SOON: Duration = Duration::from_secs(4);

/// How long a command takes, and what came of it.
fn timed(arguments: &[&str]) -> (Duration, Run) {
    let began = Instant::now();
    let run = run(arguments);
    (began.elapsed(), run)
}

/// Looking for the ends of the names took hours, as whoever had mapped the file; it need not even be the target.
#[test]
fn a_file_of_names_without_end() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let hostile = Program::start_with(&python, "hostile.py", &["names"]);
    let mut bystander = Program::start(&python, "idle.py");
    let pids = [hostile.pid(), bystander.pid()].map(|pid| pid.to_string());

    let (took, dump) = timed(&["dump", "--json", &pids[0]]);
    assert!(took < SOON && dump.code == 0, "{took:?}: {dump:?}");
    assert!(dump.stdout.contains("hostile.py"), "{}", dump.stdout);

    for pid in &pids {
        let (took, traced) = timed(&["--json", "-d", "1", "--pid", pid]);
        assert!(took < SOON, "PID {pid}: {took:?}");
        let report = traced.exact();
        let told = text(&report["target"]["processes"][0]["python"]);
        assert!(told.starts_with(&python.version_prefix()), "{told}");
    }
    bystander.go(); // it lives
}

on_pythons! {
    an_interpreter_that_is_not_used:
    python3_8 Release(8),
    python3_10 Release(10),
    python3_12 Release(12),
    python3_13 Release(13),
    python3_14 Release(14),
}

/// Whichever of the two is mapped first, the one that runs is found.
fn an_interpreter_that_is_not_used(python: &Python) {
    let mut tried = 0;
    for minor in [9, 11, 12, 13, 14] {
        let Some(other) = Interpreter::Release(minor).find() else { continue };
        let Some(library) = library(&other).filter(|_| other.minor != python.minor) else { continue };
        let path = library.to_str().expect("it is UTF-8");
        let mut program = Program::start_with(python, "hostile.py", &["decoy", path]);
        let dump = run(["dump", "--json", &program.pid().to_string()]);
        assert_eq!(dump.code, 0, "{path}: {}", dump.stderr);
        let dumped: serde_json::Value = serde_json::from_str(&dump.stdout).expect("JSON");
        let told = text(&dumped["target"]["processes"][0]["python"]);
        assert!(told.starts_with(&python.version_prefix()), "{told} beside {path}");
        let main = dumped["threads"].as_array().and_then(|threads| threads.first()).expect("a thread");
        let frames = main["stack"].as_array().expect("frames");
        assert!(frames.iter().any(|frame| frame["function"] == "ready"), "{main}");
        program.go(); // it lives
        tried += 1;
    }
    if tried == 0 {
        skip("no other release has a libpython");
    }
}
