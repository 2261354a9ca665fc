//! A part of a recording is what a run of that part would have reported.

use std::path::Path;

use serde_json::Value;

use super::{record, run};
use crate::harness::{Program, Report, Run, Scratch, number, rows, system, text};

fn part(recording: &Path, flags: &[&str]) -> Run {
    let path = recording.to_str().expect("we chose its name");
    run([&["report", "--json", path], flags].concat())
}

/// Samples taken in this function itself, not in what it calls.
fn samples(report: &Report, function: &str) -> u64 {
    let in_it = |row: &&Value| text(&row["function"]) == function;
    rows(&report["frames"]["hot"]).filter(in_it).map(|row| number(&row["self_samples"])).sum()
}

fn calls(report: &Report) -> u64 {
    rows(&report["reads"]).map(|row| number(&row["syscalls"])).sum()
}

/// What two parts must have together.
fn sums(report: &Report) -> [u64; 5] {
    let switches = &report["switches"];
    [
        number(&switches["voluntary"]),
        number(&switches["off_cpu_ns"]),
        number(&switches["on_cpu_ns"]),
        number(&report["quality"]["samples"]["taken"]),
        calls(report),
    ]
}

#[test]
fn of_its_time_and_of_its_rows() {
    let Some(python) = system() else { return };
    let mut program = Program::start(&python, "phases.py");
    let scratch = Scratch::new();
    let recording = scratch.file("a.trc");
    let tracer = record(&program, &recording, &["--json"]);
    let reader = number(&program.go());
    let whole = tracer.end().exact();
    times(&recording, &whole);
    rows_of(&recording, &whole, reader);
}

fn times(recording: &Path, whole: &Report) {
    let early = part(recording, &["--range", "-3s"]).exact();
    let late = part(recording, &["--range", "5s-"]).exact();
    assert_eq!((early.ended(), late.ended()), ("range", "target_exited"));
    // A function that ran in the other part is not in this one. How many samples there are is a matter of the CPU that the
    // program gets: of those, most are in the one function that computes then.
    let found = |report: &Report, least: f64| {
        let taken = number(&report["quality"]["samples"]["taken"]) as f64;
        ["first", "second"].map(|function| samples(report, function) as f64 > least * taken)
    };
    assert_eq!((found(&early, 0.5), found(&late, 0.5)), ([true, false], [false, true]));
    assert_eq!(found(whole, 0.1), [true, true]);
    assert_eq!((samples(&early, "second"), samples(&late, "first")), (0, 0));
    // Two parts that meet have what the whole has, to the unit.
    let (before, after) =
        (part(recording, &["--range", "-4s"]).exact(), part(recording, &["--range", "4s-"]).exact());
    let both: Vec<_> = sums(&before).iter().zip(sums(&after)).map(|(before, after)| before + after).collect();
    assert_eq!(both, sums(whole));
    let later = part(recording, &["--range", "1h-"]);
    assert_eq!((later.code, later.stdout.as_str()), (1, ""));
    assert!(later.stderr.contains(", before the range; try an earlier --range"), "{}", later.stderr);
}

fn rows_of(recording: &Path, whole: &Report, reader: u64) {
    let of_reader = part(recording, &["--thread", &reader.to_string()]).exact();
    let stacks = &of_reader["frames"]["stacks"];
    assert!(rows(stacks).count() > 0 && rows(stacks).all(|row| number(&row["tid"]) == reader), "{stacks}");
    assert!(number(&of_reader["switches"]["voluntary"]) > 100, "{}", of_reader["switches"]);
    let first = part(recording, &["--include", "^first$"]).exact();
    assert_eq!((samples(&first, "first"), samples(&first, "second")), (samples(whole, "first"), 0));
    let other = part(recording, &["--exclude", "^first$"]).exact();
    assert_eq!((samples(&other, "first"), samples(&other, "second")), (0, samples(whole, "second")));
    for report in [&of_reader, &first, &other] {
        // Findings compare with what all did: of a part of the rows they would be false.
        assert_eq!(rows(&report["findings"]).count(), 0, "{}", report["findings"]);
        assert_eq!(report["window"]["chosen"].as_array().map(Vec::len), Some(1), "{}", report["window"]);
    }
    assert!(rows(&whole["findings"]).count() > 0 && whole["window"]["chosen"].is_null());
    let nothing = part(recording, &["--thread", "nobody"]);
    assert_eq!(
        (nothing.code, &*nothing.stderr),
        (0, "tracer: nothing of the recording matches threads nobody\n")
    );
}
