//! CPU time goes to the functions that spent it.

use std::collections::BTreeMap;

use crate::harness::{Program, Python, Report, Tracer, number, on_every_python, rows, text, turn};

on_every_python!(shares_equal_the_programs_own_clock);

/// CPU seconds that the program spends; 20 for an acceptance run, which then has to come within 2 points.
const SECONDS: f64 = 4.0;
/// Percentage points by which the two distributions may differ in all (total variation distance).
const POINTS: f64 = 3.0;

fn shares_equal_the_programs_own_clock(python: &Python) {
    let _turn = turn();
    let mut program = Program::start_with(python, "cpu.py", &[&SECONDS.to_string()]);
    let tracer = Tracer::attach(program.pid(), &["--rate", "999"]);
    let truth: BTreeMap<String, f64> = serde_json::from_value(program.go()).expect("seconds by function");
    let report = tracer.stop().exact();

    let seen = samples(&report, program.pid(), truth.keys());
    let distance = distance(&shares(&truth), &shares(&seen));
    assert!(100.0 * distance <= POINTS, "{distance:.4} apart: {seen:?} samples, {truth:?} seconds");

    let expected = number(&report["quality"]["samples"]["expected"]) as f64;
    let taken = number(&report["quality"]["samples"]["taken"]) as f64;
    assert!((taken / expected - 1.0).abs() < 0.05, "{taken} samples taken, {expected} expected");
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
