//! Who ended a sleep: the thread whose system call did it, at its line, and nobody where time was up.

use serde_json::Value;

use crate::harness::{Program, Python, Report, Tracer, number, on_pythons, rows, site, turn};

on_pythons! {
    wakers_are_who_did_it:
    system System,
    python3_8 Release(8),
    python3_12 Release(12),
    python3_14 Release(14),
}

fn wakers_are_who_did_it(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "wakers.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();

    for woken in truth["woken"].as_array().expect("a list") {
        let count = number(&woken["count"]);
        let wakers: Vec<_> = wakers_at(&report, &woken["waiter"]).collect();
        let total: u64 = wakers.iter().map(|waker| number(&waker["count"])).sum();
        let is_right = |waker: &&Value| {
            let line = waker["frame"].as_object().map(|_| site(&waker["frame"]));
            waker["tid"] == woken["tid"] && line == woken["waker"].as_object().map(|_| site(&woken["waker"]))
        };
        let right: u64 = wakers.iter().copied().filter(is_right).map(|waker| number(&waker["count"])).sum();
        assert_eq!((right, total), (count, count), "each time, and nobody else: {woken}: {wakers:#?}");
    }
    for line in truth["alone"].as_array().expect("a list") {
        assert_eq!(wakers_at(&report, line).collect::<Vec<_>>(), Vec::<&Value>::new(), "{line}");
    }
}

/// Who ended the sleeps at a line, waits for the GIL left out.
fn wakers_at<'a>(report: &'a Report, line: &Value) -> impl Iterator<Item = &'a Value> {
    let line = site(line);
    let here = move |row: &&Value| row["stack"].get(0).is_some_and(|leaf| site(leaf) == line);
    let asleep = rows(&report["switches"]["causes"]).filter(here).filter(|row| row["cause"] != "gil");
    asleep.filter(|row| !row["wakers"].is_null()).flat_map(|row| rows(&row["wakers"]))
}
