//! A process that hung before it was traced shows where it hangs.

use serde_json::Value;

use crate::harness::{Program, Python, Report, Tracer, number, on_every_python, rows, site};

on_every_python!(both_lines_are_reported);

fn both_lines_are_reported(python: &Python) {
    let mut program = Program::start(python, "deadlock.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();

    for line in rows(&truth) {
        let row = waiting_at(&report, line);
        assert_eq!((&row["cause"], &row["pid"]), (&"lock".into(), &program.pid().into()), "{row}");
        assert_eq!((number(&row["began_before"]), number(&row["still_blocked"])), (1, 1), "{row}");
        assert_eq!(row["off_cpu_ns"], report["window"]["duration_ns"], "it slept throughout: {row}");
        assert_eq!(site(&row["stack"][1])[..5], *"hold ", "the caller holds the other lock: {row}");
    }
}

#[track_caller]
fn waiting_at<'a>(report: &'a Report, line: &Value) -> &'a Value {
    let here = site(line);
    let causes = &report["switches"]["causes"];
    rows(causes)
        .find(|row| row["stack"].get(0).is_some_and(|leaf| site(leaf) == here))
        .unwrap_or_else(|| panic!("nothing waits at {here}: {causes:#}"))
}
