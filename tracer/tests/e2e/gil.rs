//! What a small read costs beside threads that want to run: the GIL, which it must win back.

use serde_json::Value;

use crate::harness::{
    Program, Python, Report, Tracer, number, on_every_python, on_other_builds_with_gil, rows, site, turn,
};

on_every_python!(waits_are_charged_to_the_read_that_gave_the_gil_away, who_only_computes_waits_for_the_gil);
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
    // The thread gives the GIL away at its lseeks, too, and where it has run for 5 ms; how often, the machine's load tells.
    assert!(switches * 2 >= voluntary, "most of {voluntary}: {contended}");
    assert!(number(&contended["gil_wait_ns"]) > 0, "{contended}");
    assert_eq!(charged(&report, &truth["contended"]), switches, "causes say the same");
}

fn who_only_computes_waits_for_the_gil(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "spinners.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let waits = number(&program.go()["waits"]);
    let report = tracer.stop().exact();
    let spins = |row: &&Value| row["stack"][0]["function"] == "spin";
    let of = |cause: &str| -> u64 {
        let of_cause = rows(&report["switches"]["causes"]).filter(spins).filter(|row| row["cause"] == cause);
        of_cause.map(|row| number(&row["count"])).sum()
    };
    let (told, others) = (of("gil"), of("lock") + of("other") + of("unknown"));
    // A few of the waits come while a thread counts them, which is another line.
    assert!(told * 100 >= waits * 97 && told <= waits + 10, "{told} of {waits}: {:#}", report["switches"]);
    assert!(others * 100 <= waits * 3, "{others} beside {told}: {:#}", report["switches"]);
    let findings: Vec<_> = rows(&report["findings"]).map(|finding| &finding["kind"]).collect();
    assert!(findings.iter().any(|kind| *kind == "gil"), "{findings:?}");
    assert!(!findings.iter().any(|kind| *kind == "lock"), "{findings:?}");
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
