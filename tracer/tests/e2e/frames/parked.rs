//! A sleeping thread's stack is the one that `sys._current_frames()` has, line for line.

use serde_json::Value;

use crate::frames::walk::WHOLE_STACKS;
use crate::harness::{Program, Python, Report, Tracer, on_every_release, on_other_builds, rows, stack};

on_every_release!(stacks_equal_current_frames);
on_other_builds!(stacks_equal_current_frames as stacks_equal_current_frames_elsewhere);

fn stacks_equal_current_frames(python: &Python) {
    let mut program = Program::start(python, "parked.py");
    let tracer = Tracer::attach(program.pid(), WHOLE_STACKS);
    let truth = program.go();
    let report = tracer.stop().exact();

    for when in ["before", "after"] {
        for thread in rows(&truth[when]) {
            assert_stack_of(&report, thread, when);
            assert_cause_of(&report, thread, when);
        }
    }
}

/// The thread's own row says where it slept.
fn assert_stack_of(report: &Report, thread: &Value, when: &str) {
    let expected = stack(&thread["stack"]);
    let of_thread: Vec<_> = rows(&report["frames"]["stacks"])
        .filter(|row| row["tid"] == thread["tid"] && row["off_cpu_ns"] != 0)
        .map(|row| stack(&row["stack"]))
        .collect();
    assert!(of_thread.contains(&expected), "{when} the attach, expected {expected:#?} among {of_thread:#?}");
}

/// There is a row that says why, for that whole stack.
fn assert_cause_of(report: &Report, thread: &Value, when: &str) {
    let expected = stack(&thread["stack"]);
    let causes: Vec<_> = rows(&report["switches"]["causes"])
        .filter(|row| stack(&row["stack"]) == expected && row["still_blocked"] != 0)
        .map(|row| &row["cause"])
        .collect();
    assert!(
        causes.contains(&&thread["cause"]),
        "{when} the attach, {} is none of {causes:?}",
        thread["cause"]
    );
}
