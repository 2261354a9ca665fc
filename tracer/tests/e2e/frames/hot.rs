//! A stack that is sampled while its thread calls and returns as fast as it can is one that can be.

use serde_json::Value;

use crate::harness::{
    Program, Python, Report, Tracer, number, on_every_release, on_other_builds, rows, system, text, turn,
};

on_every_release!(samples_of_hot_recursion_are_possible);
on_other_builds!(samples_of_hot_recursion_are_possible as samples_of_hot_recursion_are_possible_elsewhere);

/// CPU time of the program: a host that takes a CPU away for a third of it leaves samples enough.
const SECONDS: &str = "2";
/// Samples in a thousand that may be wrong or missing.
const PER_MILLE: u64 = 1;
/// Those in builds for musl, by clang, that may be set to have no stack: one that comes in the middle of a call finds a frame
/// half made. None to 2.4 were seen.
const MISSING_WITH_MUSL: u64 = 5;

fn samples_of_hot_recursion_are_possible(python: &Python) {
    let _turn = turn();
    let mut program = Program::start_with(python, "hot.py", &[SECONDS]);
    let tracer = Tracer::attach(program.pid(), &["--rate", "1999"]);
    let truth = program.go();
    let report = tracer.stop().exact();

    let samples = &report["quality"]["samples"];
    let taken = number(&samples["taken"]);
    assert!(taken > 1000, "{samples}");
    let incomplete: u64 =
        ["faulted", "unresolved", "truncated"].iter().map(|&reason| number(&samples[reason])).sum();
    let impossible = impossible(&report, &truth, program.pid());
    let mut wrong = impossible.iter().map(|row| number(&row["samples"])).sum::<u64>();
    if python.path.to_string_lossy().contains("musl") {
        assert!(1000 * incomplete <= MISSING_WITH_MUSL * taken, "{incomplete} of {samples}");
    } else {
        wrong += incomplete;
    }
    assert!(1000 * wrong <= PER_MILLE * taken, "{wrong} of {samples}: {impossible:#?}");

    // A thread that begins or ends has no Python frame yet, or no longer.
    let without = number(&samples["no_python_frame"]);
    assert!(20 * without <= taken, "{samples}, {} threads began", truth["begun"]);
    let omitted = report["frames"]["stacks"].as_array().and_then(|rows| rows.last());
    let unlisted =
        omitted.filter(|row| row.get("omitted").is_some()).map_or(0, |row| number(&row["samples"]));
    assert!(10 * unlisted <= taken, "{unlisted} samples of {taken} are not listed");
}

/// Nearly every sample of a recursion is at a stack of its own, but the lines are few: all have names, also after the
/// first ids have been forgotten, and memory does not grow with them.
#[test]
fn a_recursion_takes_no_memory() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start(&python, "recursion.py");
    let tracer = Tracer::attach(program.pid(), &["--rate", "9999", "--only", "frames"]);
    program.go();
    let report = tracer.stop().exact();

    let (samples, records) = (&report["quality"]["samples"], &report["quality"]["records"]);
    assert!(number(&records["decoded"]) > 40_000, "too few stacks to forget any: {records}, {samples}");
    let (mut listed, mut unknown) = (0, 0);
    for row in report["frames"]["stacks"].as_array().into_iter().flatten() {
        listed += number(&row["samples"]);
        unknown += if row["stack"].is_null() { number(&row["samples"]) } else { 0 };
    }
    assert_eq!((listed, unknown), (number(&samples["python"]), 0), "{samples}");
    let peak = number(&report["overhead"]["tracer_peak_rss_bytes"]);
    assert!(peak < 40 << 20, "{peak} bytes"); // a build for tests takes a third more
}

/// Stacks that the program's calls cannot have made.
fn impossible<'a>(report: &'a Report, truth: &Value, pid: u32) -> Vec<&'a Value> {
    let sampled = rows(&report["frames"]["stacks"]).filter(|row| row["tid"] != pid && row["samples"] != 0);
    sampled.filter(|row| !is_possible(row["stack"].as_array(), truth)).collect()
}

fn is_possible(stack: Option<&Vec<Value>>, truth: &Value) -> bool {
    let Some(stack) = stack else { return false };
    let (Some(innermost), Some(outermost)) = (stack.first(), stack.last()) else { return false };
    let begins = rows(&truth["outermost"]).any(|name| *name == outermost["function"]);
    begins && executes(innermost, truth) && stack.windows(2).all(|pair| calls(&pair[1], &pair[0], truth))
}

/// The line is one of the function's.
fn executes(frame: &Value, truth: &Value) -> bool {
    let lines = &truth["lines"][text(&frame["function"])];
    let line = frame["line"].as_u64().unwrap_or_default();
    lines.is_array()
        && frame["file"] == truth["file"]
        && (number(&lines[0])..=number(&lines[1])).contains(&line)
}

/// The outer frame is at the line that calls the inner one.
fn calls(outer: &Value, inner: &Value, truth: &Value) -> bool {
    let call = format!("{}:{}", text(&outer["function"]), outer["line"]);
    truth["calls"][call] == inner["function"]
}
