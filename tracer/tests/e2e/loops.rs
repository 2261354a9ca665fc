//! Event loops, and what keeps them from their descriptors.

use serde_json::{Value, json};

use crate::harness::{Interpreter, Program, Python, Report, Tracer, each, number, rows, text, turn};

/// From here on a turn is worth a sentence.
const LONG_NS: u64 = 100_000_000;
/// What a turn may be longer than the program's own figure, on a busy machine.
const AROUND_NS: u64 = 60_000_000;

crate::harness::on_pythons! {
    what_blocks_a_loop_is_named:
    system System,
    python3_8 Release(8),
    python3_12 Release(12),
    python3_14 Release(14),
}

fn what_blocks_a_loop_is_named(python: &Python) {
    let (report, truth) = traced(python, &[]);
    let found = the_loop(&report, &truth);
    for (callback, cause, on_cpu) in
        [("sleeps", "sleep", false), ("reads", "read", false), ("crunches", "", true)]
    {
        let by = rows(&found["by"]).find(|by| by["callback"] == callback);
        let by = by.unwrap_or_else(|| panic!("nothing of {callback}: {found}"));
        let times: Vec<_> =
            truth["blocked"][callback].as_array().expect("a list").iter().map(number).collect();
        assert_eq!(
            (by["on_cpu"].as_bool(), by["cause"].as_str().unwrap_or("")),
            (Some(on_cpu), cause),
            "{by}"
        );
        assert_eq!(number(&by["count"]), times.len() as u64, "{by}");
        let total: u64 = times.iter().sum();
        // A preemption on the way out of a wait counts for the wait.
        let least = total - total / 20;
        let most = total + AROUND_NS * times.len() as u64;
        assert!((least..most).contains(&number(&by["total_ns"])), "{by}, {total}");
        if python.minor >= 14 {
            assert_eq!(text(&by["task"]), format!("named {callback}"), "{by}");
        }
        if !on_cpu {
            assert_eq!(by["frame"]["file"], truth["file"]);
            assert_eq!(text(&by["frame"]["function"]), callback);
        }
        finding(&report, by);
    }
    assert!(number(&found["turns"]) > 400, "a turn each time that it waited: {found}");
}

#[test]
fn a_loop_that_turns_is_not_blamed() {
    each(Interpreter::System, |python| {
        let (report, truth) = traced(python, &["good"]);
        let found = the_loop(&report, &truth);
        assert!(
            number(&found["turns"]) > 200 && rows(&found["by"]).all(|by| number(&by["max_ns"]) < 100_000_000)
        );
        assert!(
            rows(&report["findings"]).all(|found| found["kind"] != "loop_blocked"),
            "{}",
            report["findings"]
        );
    });
}

/// Its few milliseconds of work and of sleep take a quarter of a second, beside another program that has the CPU: no line of
/// it is to blame.
#[test]
fn a_loop_without_a_cpu_is_not_asked_to_work_less() {
    each(Interpreter::System, |python| {
        let (report, truth) = traced(python, &["starves"]);
        let found = the_loop(&report, &truth);
        let long: Vec<_> = rows(&found["by"]).filter(|by| number(&by["max_ns"]) >= LONG_NS).collect();
        let [by] = long[..] else { panic!("one reason: {found}, {truth}") };
        let reported = ["cause", "on_cpu", "callback", "frame"].map(|key| &by[key]);
        assert_eq!(reported, [&json!("preempted"), &json!(false), &Value::Null, &Value::Null], "{by}");
        let sentences: Vec<_> =
            rows(&report["findings"]).filter(|found| found["kind"] == "loop_blocked").collect();
        let [sentence] = sentences[..] else { panic!("one sentence: {sentences:?}") };
        assert!(text(&sentence["text"]).contains(" by waiting for a CPU"), "{sentence}");
        assert_eq!(sentence["frame"], Value::Null, "{sentence}");
    });
}

fn traced(python: &Python, arguments: &[&str]) -> (Report, Value) {
    let _turn = turn();
    let mut program = Program::start_with(python, "loops.py", arguments);
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    (report, truth)
}

#[track_caller]
fn the_loop<'a>(report: &'a Report, truth: &Value) -> &'a Value {
    let found: Vec<_> = rows(&report["loops"]).collect();
    assert!(found.len() == 1 && found[0]["pid"] == truth["pid"], "one loop: {}", report["loops"]);
    found[0]
}

#[track_caller]
fn finding(report: &Report, by: &Value) {
    let is_it = |found: &&Value| found["kind"] == "loop_blocked" && found["frame"] == by["frame"];
    assert!(rows(&report["findings"]).any(|found| is_it(&found)), "{by}: {}", report["findings"]);
}
