//! What a small read costs beside threads that want to run: the GIL, which it must win back.

use serde_json::Value;

use crate::harness::{Program, Python, Report, Tracer, number, on_every_python, rows, site, turn};

on_every_python!(waits_are_charged_to_the_read_that_gave_the_gil_away);

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
    // The thread gives the GIL away at its lseeks, too, and where it has run for 5 ms; how often, the machine's load tells.
    assert!(switches * 2 >= voluntary, "most of {voluntary}: {contended}");
    assert!(number(&contended["gil_wait_ns"]) > 0, "{contended}");
    assert_eq!(charged(&report, &truth["contended"]), switches, "causes say the same");
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
