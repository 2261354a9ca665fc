//! What becomes of a signal, whatever takes it: each outcome once, as the program knows it.

use serde_json::{Value, json};

use crate::harness::{Program, Python, Tracer, on_every_python, rows, system, text, turn};

on_every_python!(every_outcome_is_reported);

fn every_outcome_is_reported(python: &Python) {
    let untraced = Program::start(python, "ignores.py");
    let mut program = Program::start_with(python, "outcomes.py", &[&untraced.pid().to_string()]);
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    let mut reported: Vec<_> = rows(&report["signals"]).collect();
    for outcome in rows(&truth) {
        let index = reported.iter().position(|row| is(row, outcome));
        let index =
            index.unwrap_or_else(|| panic!("no row is {outcome}: {}", alike(&report["signals"], outcome)));
        reported.remove(index);
    }
    // Nobody waits for the notices of the children that were forked on the way.
    let others = reported.into_iter().find(|row| row["signal"] != "SIGCHLD" || row["outcome"] != "ignored");
    assert_eq!(others, None);
}

/// Whether a row of the report agrees with all that the program prints.
fn is(row: &Value, outcome: &Value) -> bool {
    let agrees = |(key, expected): (&String, &Value)| match key.as_str() {
        "pid" => row["target"]["pid"] == *expected,
        "tid" => row["target"]["tid"] == *expected,
        "sender" => row["sender"]["pid"] == *expected,
        "state" => row["handler_state"] == *expected,
        "handler" => row["handler"]["frame"] == *expected,
        "interrupted" => row["interrupted"]["frame"]["function"] == *expected,
        _ => row[key] == *expected,
    };
    row["count"] == 1 && outcome.as_object().expect("a program prints objects").iter().all(agrees)
}

/// The rows of the same signal, for the developer who has to find out why.
fn alike(signals: &Value, outcome: &Value) -> Value {
    json!(rows(signals).filter(|row| row["number"] == outcome["number"]).collect::<Vec<_>>())
}

#[test]
fn the_rest_of_the_report_is_not_needed_for_a_reason() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "handlers.py", &["4"]);
    let tracer = Tracer::attach(program.pid(), &["--only", "signals"]);
    program.go();
    let report = tracer.stop().exact();
    let reasons = rows(&report["signals"]).filter_map(|row| row["handler"]["waited_for"].as_str());
    let reasons: Vec<_> = reasons.collect();
    for reason in ["c_call", "gil", "nested", "wrong_thread"] {
        assert!(reasons.contains(&reason), "{reason}: {reasons:?}");
    }
    assert_eq!(rows(&report["switches"]["causes"]).next(), None, "nobody asked for them");
    let about_itself = rows(&report["findings"]).find(|row| text(&row["kind"]) == "quality");
    assert_eq!(about_itself, None);
}
