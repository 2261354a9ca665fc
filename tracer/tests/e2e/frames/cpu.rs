//! CPU time goes to the functions that spent it.

use std::collections::BTreeMap;

use crate::harness::{Program, Python, Report, Tracer, number, on_every_python, rows, text, turn};

on_every_python!(shares_equal_the_work_done);

/// CPU seconds that the program spends, by its own clock.
const SECONDS: f64 = 4.0;
const RATE: &str = "999";
/// Percentage points by which the two distributions may differ in all (total variation distance).
const POINTS: f64 = 3.0;

/// The truth is the work, times what a turn usually takes in that function, not the thread's clock: a host that takes a CPU
/// away for a moment takes the clock of the samples too, and the thread's goes on.
fn shares_equal_the_work_done(python: &Python) {
    let _turn = turn();
    let mut program = Program::start_with(python, "cpu.py", &[&SECONDS.to_string()]);
    let tracer = Tracer::attach(program.pid(), &["--rate", RATE]);
    let truth = program.go();
    let report = tracer.stop().exact();

    let work: BTreeMap<String, f64> =
        serde_json::from_value(truth["seconds"].clone()).expect("seconds by function");
    let seen = samples(&report, program.pid(), work.keys());
    let distance = distance(&shares(&work), &shares(&seen));
    assert!(100.0 * distance <= POINTS, "{distance:.4} apart: {seen:?} samples, {work:?} s");

    let expected = number(&report["quality"]["samples"]["expected"]) as f64;
    let taken = number(&report["quality"]["samples"]["taken"]) as f64;
    let worked: f64 = work.values().sum();
    let least = RATE.parse::<f64>().expect("a number") * worked;
    assert!(
        taken > 0.95 * least,
        "{taken} samples taken, {least} for {worked} s of work, {expected} expected"
    );
    assert!(taken < 1.05 * expected, "{taken} samples taken, {expected} expected");
}

/// Samples whose innermost Python frame is in one of these functions.
fn samples<'a>(
    report: &Report,
    pid: u32,
    functions: impl Iterator<Item = &'a String>,
) -> BTreeMap<String, f64> {
    let mut samples: BTreeMap<_, _> = functions.map(|name| (name.clone(), 0.0)).collect();
    for row in rows(&report["frames"]["hot"]).filter(|row| row["pid"] == pid) {
        if let Some(sum) = samples.get_mut(text(&row["function"])) {
            *sum += number(&row["self_samples"]) as f64;
        }
    }
    samples
}

fn shares(amounts: &BTreeMap<String, f64>) -> BTreeMap<&str, f64> {
    let total: f64 = amounts.values().sum();
    amounts.iter().map(|(name, amount)| (name.as_str(), amount / total)).collect()
}

fn distance(one: &BTreeMap<&str, f64>, other: &BTreeMap<&str, f64>) -> f64 {
    one.iter().map(|(name, share)| (share - other[name]).abs()).sum::<f64>() / 2.0
}
