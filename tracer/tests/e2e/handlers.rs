//! Python handlers begin when the program says, and wait for what the program makes them wait for.

use serde_json::Value;

use crate::harness::{
    Program, Python, Report, Signal, Tracer, in_window, number, on_every_python, on_every_release, rows,
    site, system, text, turn,
};

/// Signals of each kind.
const TIMES: &str = "25";
/// From CPython's clearing of the flag to the program's reading of the clock.
const TO_THE_FIRST_LINE_NS: u64 = 100_000;

on_every_release!(starts_are_exact);
on_every_python!(starts_by_one_flag_are_exact);

fn starts_are_exact(python: &Python) {
    check(python, &[TIMES]);
}

/// More handlers than debug registers: one flag tells of all of them.
fn starts_by_one_flag_are_exact(python: &Python) {
    check(python, &[TIMES, "many"]);
}

#[test]
fn handlers_that_are_set_later_are_seen() {
    let Some(python) = system() else { return };
    check(&python, &["10", "late"]);
}

#[test]
fn handlers_of_a_child_are_seen() {
    let Some(python) = system() else { return };
    check(&python, &["10", "child"]);
}

#[test]
fn a_tracer_that_is_killed_leaves_no_watchpoint() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "handlers.py", &["10"]);
    for _ in 0..3 {
        let tracer = Tracer::attach(program.pid(), &[]);
        tracer.signal(Signal::KILL);
        tracer.end();
    }
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    agrees(&python, &tracer.stop().exact(), &truth);
}

fn check(python: &Python, arguments: &[&str]) {
    let _turn = turn();
    let mut program = Program::start_with(python, "handlers.py", arguments);
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    agrees(python, &report, &truth);
    assert!(program.answers());
}

/// A handler as the report and the program tell it.
struct Start<'a> {
    mode: &'a str,
    row: &'a Value,
    /// When its first line ran, in the window.
    began_ns: u64,
}

fn agrees(python: &Python, report: &Report, truth: &Value) {
    let unwatched = rows(&report["overhead"]["shed"]).find(|shed| text(&shed["what"]).contains("handlers"));
    assert_eq!(unwatched, None);
    let starts = starts(report, truth);
    for start in &starts {
        assert_eq!(
            (&start.row["handler_state"], &start.row["outcome"]),
            (&"started".into(), &"handled".into())
        );
        assert_eq!(site(&start.row["handler"]["frame"]), site(&truth["handler"]), "{}", start.row);
    }
    let exact = starts.iter().filter(|start| is_exact(start)).count();
    // The machine has other things to do, too, between the two moments.
    assert!(exact * 20 >= starts.len() * 19, "{exact} of {} starts are exact", starts.len());
    for mode in rows(&truth["modes"]).map(|mode| text(&mode["mode"])) {
        let of_mode: Vec<_> = starts.iter().filter(|start| start.mode == mode).collect();
        has_reason(python, mode, &of_mode);
    }
}

fn starts<'a>(report: &'a Report, truth: &'a Value) -> Vec<Start<'a>> {
    let sent = rows(&report["signals"]).filter(|row| row["signal"] == "SIGUSR1");
    let sent: Vec<_> = sent.filter(|row| row["target"]["pid"] == truth["pid"]).collect();
    let modes = rows(&truth["modes"]).map(|mode| (text(&mode["mode"]), &mode["began"]));
    let began: Vec<_> = modes
        .flat_map(|(mode, began)| rows(began).map(move |at| (mode, in_window(report, number(at)))))
        .collect();
    assert_eq!(sent.len(), began.len(), "a row for each signal");
    sent.into_iter().zip(began).map(|(row, (mode, began_ns))| Start { mode, row, began_ns }).collect()
}

/// The handler's first line follows its start, and soon.
fn is_exact(start: &Start<'_>) -> bool {
    let after = &start.row["handler"]["started_after_ns"];
    let started = number(&start.row["at_ns"]) + number(after);
    assert!(started <= start.began_ns, "{}: began at {}: {}", start.mode, start.began_ns, start.row);
    start.began_ns - started < TO_THE_FIRST_LINE_NS
}

/// Chance may end a wait early, and a busy machine adds waits of its own, of which nothing is said.
fn has_reason(python: &Python, mode: &str, starts: &[&Start<'_>]) {
    let expected = match mode {
        "pure" | "asleep" => "nothing",
        "wants_gil" => "gil",
        reason => reason,
    };
    let told: Vec<_> = starts.iter().map(|start| &start.row["handler"]["waited_for"]).collect();
    let other = told.iter().find(|told| !(told.is_null() || **told == "nothing" || **told == expected));
    assert_eq!(other, None, "{mode}");
    let fitting = told.iter().filter(|told| **told == expected).count();
    let least = match mode {
        "pure" | "asleep" => 1,
        // 2.7 gives the GIL away without a fight.
        "wants_gil" if python.major == 2 => 0,
        _ => starts.len() / 3,
    };
    assert!(fitting >= least, "{mode}: {fitting} of {} are {expected}: {told:?}", starts.len());
}
