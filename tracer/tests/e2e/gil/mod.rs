//! What a small read costs beside threads that want to run: the GIL, which it must win back.

mod free_threads;
mod holders;
mod interpreters;
mod late;
mod unseen;

use serde_json::Value;

use crate::harness::{
    Program, Python, Report, Tracer, number, on_every_gil, on_every_python, on_other_builds_with_gil,
    on_other_builds_without_gil, rows, site, stack, turn,
};

on_every_python!(waits_are_charged_to_the_read_that_gave_the_gil_away);
on_every_gil!(who_only_computes_waits_for_the_gil);
on_other_builds_with_gil!(
    waits_are_charged_to_the_read_that_gave_the_gil_away as waits_are_charged_elsewhere,
    who_only_computes_waits_for_the_gil as who_only_computes_waits_for_the_gil_elsewhere,
);

fn waits_are_charged_to_the_read_that_gave_the_gil_away(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "gil.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();

    let alone = row(&report, &truth["alone"]);
    assert_eq!(number(&alone["syscalls"]), number(&truth["alone"]["calls"]));
    assert_eq!(
        (number(&alone["gil_switches"]), number(&alone["gil_waits"])),
        (0, 0),
        "nobody else wants it: {alone}"
    );

    let contended = row(&report, &truth["contended"]);
    let (waits, switches) = (number(&contended["gil_waits"]), number(&contended["gil_switches"]));
    let voluntary = number(&truth["contended"]["voluntary"]);
    assert_eq!(number(&contended["syscalls"]), number(&truth["contended"]["calls"]));
    assert!(0 < waits && waits <= switches, "an acquisition takes a switch or more: {contended}");
    assert!(switches <= voluntary, "no more than the kernel counted, {voluntary}: {contended}");
    assert!(number(&contended["gil_wait_ns"]) > 0, "{contended}");
    assert_eq!(charged(&report, &truth["contended"]), switches, "causes say the same");
    // The thread gives the GIL away at its lseeks, too, and where it has run for 5 ms: how often depends on the machine's load.
    // Whenever it sleeps, it is for the GIL. What it takes to read the kernel's count lies on both sides of that count.
    let slept_in = |function: &str| -> u64 {
        rows(&report["switches"]["causes"])
            .filter(|row| {
                row["cause"] == "gil" && stack(&row["stack"]).iter().any(|at| at.starts_with(function))
            })
            .map(|row| number(&row["count"]))
            .sum()
    };
    let (inside, with_ends) = (slept_in("pieces "), slept_in("read "));
    assert!(inside <= voluntary, "{inside} of {voluntary}");
    assert!(with_ends * 100 >= voluntary * 97, "{with_ends} of {voluntary}");
}

on_other_builds_without_gil!(a_gil_that_is_switched_on_is_one as a_gil_that_is_switched_on_is_one);

fn who_only_computes_waits_for_the_gil(python: &Python) {
    gil_is_reported(python, &[]);
}

/// What was built without GIL has one after all if it imports a module that needs it.
fn a_gil_that_is_switched_on_is_one(python: &Python) {
    let report = gil_is_reported(python, &["switched-on"]);
    let held = |row: &Value| number(&row["held_while_others_waited_ns"]);
    let held: u64 = rows(&report["gil"]["holders"]).filter(|row| !row["tid"].is_null()).map(held).sum();
    let waited = number(&report["gil"]["wait_ns"]);
    assert!(
        held * 10 >= waited * 4,
        "of two that wait each has half: {held} of {waited}: {:#}",
        report["gil"]
    );
    assert_eq!(report["target"]["processes"][0]["free_threaded"], true);
}

fn gil_is_reported(python: &Python, arguments: &[&str]) -> Report {
    let _turn = turn();
    let mut program = Program::start_with(python, "spinners.py", arguments);
    let tracer = Tracer::attach(program.pid(), &[]);
    let waits = number(&program.go()["waits"]);
    let report = tracer.stop().exact();
    let is_in = |row: &Value, function: &str, frames: usize| {
        let stack = row["stack"].as_array().into_iter().flatten();
        stack.take(frames).any(|frame| frame["function"] == function)
    };
    let of = |cause: &str, function: &str, frames| -> u64 {
        let of_cause = rows(&report["switches"]["causes"]).filter(|row| row["cause"] == cause);
        of_cause.filter(|row| is_in(row, function, frames)).map(|row| number(&row["count"])).sum()
    };
    // A few of the waits come while a thread counts them, and a few before and after that.
    let [reported, lock, other, unknown] =
        ["gil", "lock", "other", "unknown"].map(|cause| of(cause, "work", usize::MAX));
    let (others, spun) = (lock + other + unknown, of("gil", "spin", 1));
    assert!(
        reported * 100 >= waits * 97 && spun <= waits + 10,
        "{reported} of {waits}: {:#}",
        report["switches"]
    );
    assert!(others * 100 <= waits * 3, "{others} beside {reported}: {:#}", report["switches"]);
    let findings: Vec<_> = rows(&report["findings"]).map(|finding| &finding["kind"]).collect();
    assert!(findings.iter().any(|kind| *kind == "gil"), "{findings:?}");
    assert!(!findings.iter().any(|kind| *kind == "lock"), "{findings:?}");
    report
}

/// How long others waited while a thread was in this function.
fn held_in(report: &Report, function: &str) -> u64 {
    let rows = rows(&report["gil"]["holders"]).filter(|row| row["frame"]["function"] == function);
    rows.map(|row| number(&row["held_while_others_waited_ns"])).sum()
}

#[track_caller]
fn row<'a>(report: &'a Report, truth: &Value) -> &'a Value {
    let here = site(&truth["frame"]);
    let mut rows =
        rows(&report["reads"]).filter(|row| row["stack"].get(0).is_some_and(|leaf| site(leaf) == here));
    rows.next().unwrap_or_else(|| panic!("nothing reads at {here}: {:#}", report["reads"]))
}

/// Switches for the GIL after a read at this line, by the causes.
fn charged(report: &Report, truth: &Value) -> u64 {
    let here = site(&truth["frame"]);
    rows(&report["switches"]["causes"])
        .filter(|row| row["cause"] == "gil" && row["after_call"]["syscall"] == "read")
        .filter(|row| row["stack"].get(0).is_some_and(|leaf| site(leaf) == here))
        .map(|row| number(&row["count"]))
        .sum()
}
