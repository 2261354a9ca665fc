//! What a thread did is reported for the seconds in which it did it, and of no others.

use serde_json::Value;

use crate::harness::{Interpreter, Program, Report, Tracer, each, number, rows, turn};

const SECOND: u64 = 1_000_000_000;
/// Rows are drained once a second, on a busy machine later: within that time the order of states is not known.
const MARGIN: u64 = SECOND / 2;

#[test]
fn states_are_reported_for_the_seconds_in_which_they_were() {
    each(Interpreter::Release(12), |python| {
        let _turn = turn();
        let mut program = Program::start(python, "states.py");
        let tracer = Tracer::attach(program.pid(), &["--budget", "off"]);
        let truth = program.go();
        let report = tracer.stop().exact();
        assert_eq!(report["over_time"]["step_ns"], SECOND);
        let began: Vec<u64> = rows(&truth["began"]).map(number).collect();
        let ends = began.iter().skip(1).copied().chain([number(&truth["ended"])]);
        let phases: Vec<_> = began.iter().copied().zip(ends).map(|phase| states(&report, phase)).collect();
        let [one, asleep, two] = &phases[..] else { panic!("three phases") };
        let expected: [(&str, &Value, &[&str], f64); 3] = [
            ("computes", one, &["on_cpu", "run_queue"], 1.0),
            ("sleeps", asleep, &["idle"], 1.0),
            ("two compute", two, &["on_cpu", "run_queue", "gil"], 2.0),
        ];
        for (name, found, states, threads) in expected {
            let share: f64 = states.iter().map(|state| found[state].as_f64().unwrap_or(0.0)).sum();
            let all: f64 = found.as_object().expect("states").values().filter_map(Value::as_f64).sum();
            assert!((share - threads).abs() < 0.02 * threads, "{name}: {found}");
            assert!(all - share < 0.01, "{name}: {found}");
        }
        // One of two always waits, for the GIL or, when it has got that, for a CPU.
        let on_cpu = two["on_cpu"].as_f64().expect("a share");
        assert!(two["gil"].as_f64().is_some_and(|gil| gil > 0.5 * on_cpu), "{two}");
        assert!(one["gil"].as_f64().unwrap_or(0.0) < 0.01, "{one}");
    });
}

/// Shares of the time of each state, of the steps that lie within this time.
fn states(report: &Report, (from, to): (u64, u64)) -> Value {
    let start = number(&report["window"]["start_monotonic_ns"]);
    let within =
        |step: &u64| start + step * SECOND >= from + MARGIN && start + (step + 1) * SECOND + MARGIN <= to;
    let steps: Vec<u64> = (0..60).filter(within).collect();
    assert!(!steps.is_empty(), "no step within {from} to {to}, of a window that began at {start}");
    let mut found = serde_json::Map::new();
    for row in rows(&report["over_time"]["threads"]) {
        for (state, ns) in row["states"].as_object().expect("states") {
            let sum: u64 = steps.iter().map(|step| ns[*step as usize].as_u64().unwrap_or(0)).sum();
            let share = sum as f64 / (steps.len() as u64 * SECOND) as f64;
            let all = found.entry(state).or_insert(0.0.into());
            *all = (all.as_f64().unwrap_or(0.0) + share).into();
        }
    }
    Value::Object(found)
}
