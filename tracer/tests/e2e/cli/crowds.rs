//! Thousands of threads, and threads of several interpreters: each has its stack, and each GIL its holder.

use serde_json::Value;

use super::dump::Dump;
use crate::harness::{Program, Python, Tracer, number, on_pythons, rows, stack, text, turn};

on_pythons! {
    every_thread_has_its_stack:
    python2_7 Two,
    python3_12 Release(12),
    python3_13 Release(13),
    python3_14 Release(14),
}

fn every_thread_has_its_stack(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "crowds.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let threads = number(&truth["threads"]);
    let report = tracer.stop().exact();

    let asleep = |function: &str| -> u64 {
        let rows = rows(&report["switches"]["causes"]).filter(|row| row["stack"][0]["function"] == function);
        rows.map(|row| number(&row["still_blocked"])).sum()
    };
    assert_eq!(asleep("wait"), threads, "{:#}", report["switches"]["causes"]);
    let known = |row: &Value| row["stack"].as_array().is_some_and(|frames| !frames.is_empty());
    let without: Vec<_> = rows(&report["switches"]["causes"]).filter(|row| !known(row)).collect();
    assert!(without.is_empty(), "{without:#?}");

    let dump = Dump::new(program.pid(), &[]);
    let is_ok = |thread: &&Value| thread["status"] == "ok" && known(thread);
    let not_ok: Vec<_> = rows(&dump.0["threads"]).filter(|thread| !is_ok(thread)).collect();
    assert!(not_ok.is_empty(), "{not_ok:#?}");
    let waits = |thread: &&Value| stack(&thread["stack"])[0].starts_with("wait ");
    assert_eq!(rows(&dump.0["threads"]).filter(waits).count() as u64, threads);
    for other in rows(&truth["others"]) {
        let of_other = [asleep(text(&other["function"])), rows(&truth["others"]).count() as u64 / 2];
        assert_eq!(of_other[0], of_other[1], "{other}: {:#}", report["switches"]["causes"]);
        assert_eq!(dump.thread(&other["tid"])["stack"][0]["function"], other["function"], "{other}");
    }
    if python.has_gil && rows(&truth["others"]).count() > 0 {
        each_gil_has_its_holder(&mut program);
    }
}

/// In each of three interpreters one thread keeps the GIL, and one waits for it, once all have begun.
fn each_gil_has_its_holder(program: &mut Program) {
    /// It takes one or two.
    const ATTEMPTS: usize = 50;
    program.go();
    let expected = [["hog", "hogs", "hogs"], ["contend", "contends", "contends"]];
    let mut seen = reports(program.pid());
    for _ in 1..ATTEMPTS {
        if seen == expected {
            break;
        }
        seen = reports(program.pid());
    }
    assert_eq!(seen, expected);
}

/// The functions that hold a GIL, and those that wait for one.
fn reports(pid: u32) -> [Vec<String>; 2] {
    let dump = Dump::new(pid, &[]);
    let functions = |of: fn(&Value) -> bool| {
        let threads = rows(&dump.0["threads"]).filter(|thread| of(thread));
        let mut functions: Vec<_> = threads.map(function).collect();
        functions.sort();
        functions
    };
    [functions(|thread| thread["holds_gil"] == true), functions(|thread| thread["waits_for"] == "gil")]
}

fn function(thread: &Value) -> String {
    text(&thread["stack"][0]["function"]).to_owned()
}
