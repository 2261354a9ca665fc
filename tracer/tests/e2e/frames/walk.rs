//! The kernel's walk of a thread that goes to sleep is what `sys._current_frames()` has, frame by frame, on every
//! release and below every kind of frame.

use serde_json::Value;

use crate::harness::{
    Program, Python, Report, Tracer, number, on_every_release, on_other_builds, rows, site, stack, system,
    turn,
};

on_every_release!(walks_equal_current_frames);
on_other_builds!(walks_equal_current_frames as walks_equal_current_frames_elsewhere);

fn walks_equal_current_frames(python: &Python) {
    let _turn = turn();
    assert_walked(Program::start(python, "walk.py"));
}

/// A page that is being replaced cannot be read by the kernel: the function that was named a moment ago keeps its name.
#[test]
fn a_code_object_that_cannot_be_read_for_a_moment_is_named() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start(&python, "unmapped.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let slept_at = program.go();
    let report = tracer.stop().exact();
    let stacks: Vec<_> = rows(&report["switches"]["causes"]).map(|row| stack(&row["stack"])).collect();
    for line in rows(&slept_at) {
        let found = stacks.iter().find(|stack| stack.first() == Some(&site(line))).expect("it slept there");
        assert_eq!(found[2], "huge huge.py:2", "{found:#?}");
    }
}

/// Every frame.
pub const WHOLE_STACKS: &[&str] = &["--depth", "1024"];

/// Traces `walk.py` in whatever process it runs.
pub fn assert_walked(mut program: Program) -> Report {
    let tracer = Tracer::attach(program.pid(), WHOLE_STACKS);
    let truth = program.go();
    let report = tracer.stop().exact();
    assert_stacks(&report, &truth);
    report
}

/// Each thread was seen where it says that it was, and nowhere else.
pub fn assert_stacks(report: &Report, truth: &Value) {
    for thread in rows(truth) {
        assert_only_stack_of(report, thread);
        assert_slept_there(report, thread);
    }
    assert_eq!(number(&report["quality"]["records"]["corrupt"]), 0, "{}", report["quality"]);
}

/// Wherever the thread slept and woke up, it was there.
fn assert_only_stack_of(report: &Report, thread: &Value) {
    let expected = stack(&thread["stack"]);
    let of_thread =
        rows(&report["frames"]["stacks"]).filter(|row| row["tid"] == thread["tid"] && row["off_cpu_ns"] != 0);
    let seen: Vec<_> = of_thread.map(|row| stack(&row["stack"])).collect();
    assert!(!seen.is_empty(), "nothing of {}", brief(&expected));
    for stack in seen {
        assert!(stack == expected, "expected {}\nseen {}", brief(&expected), brief(&stack));
    }
}

/// Each wake-up ended in another sleep there, which only the kernel can have walked.
fn assert_slept_there(report: &Report, thread: &Value) {
    let expected = stack(&thread["stack"]);
    let slept: u64 = rows(&report["switches"]["causes"])
        .filter(|row| row["cause"] == "read" && stack(&row["stack"]) == expected)
        .map(|row| number(&row["count"]))
        .sum();
    assert!(slept >= number(&thread["wakeups"]), "{slept} times in a read at {}", brief(&expected));
}

/// Both ends of a stack, for a message: some have a thousand frames, and some frames ten thousand characters.
fn brief(stack: &[String]) -> String {
    let shown = stack.iter().take(8).chain(stack.iter().skip(8).rev().take(2).rev());
    let shown: Vec<String> = shown.map(|site| site.chars().take(120).collect()).collect();
    format!("{} frames: {shown:#?}", stack.len())
}
