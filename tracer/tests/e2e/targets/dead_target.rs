//! A target that dies while it is traced, or while we attach, is no error.

use std::thread;
use std::time::Duration;

use crate::harness::{Program, Python, Signal, Tracer, on_every_python, rows, turn};

on_every_python!(killed_while_traced, killed_while_attaching);

fn killed_while_traced(python: &Python) {
    let program = Program::start(python, "idle.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    program.signal(Signal::KILL);
    let report = tracer.end().exact();
    assert_eq!(report.ended(), "target_exited");
    let killed =
        rows(&report["signals"]).find(|row| row["signal"] == "SIGKILL").expect("the kill is in the report");
    assert_eq!(killed["sender"]["pid"], std::process::id(), "{killed}");
    assert_eq!(killed["target"]["pid"], program.pid(), "{killed}");
    assert_eq!(killed["outcome"], "killed", "{killed}");
}

/// The moments differ on purpose: there is no line to wait for in the middle of an attach.
fn killed_while_attaching(python: &Python) {
    let _turn = turn();
    for delay_ms in [0, 5, 10, 20, 40, 60, 80, 120, 160, 240, 320] {
        let program = Program::start(python, "idle.py");
        let tracer = Tracer::start(["--json", "--pid", &program.pid().to_string()]);
        thread::sleep(Duration::from_millis(delay_ms));
        program.signal(Signal::KILL);
        let run = tracer.end();
        match run.code {
            0 => assert_eq!(run.exact().ended(), "target_exited", "after {delay_ms} ms"),
            4 => assert!(run.stderr.starts_with("tracer: cannot "), "after {delay_ms} ms: {run:?}"),
            _ => panic!("after {delay_ms} ms: {run:?}"),
        }
    }
}
