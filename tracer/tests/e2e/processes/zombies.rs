//! Children that nobody reaps are reported, with how long and who made them; children that the kernel reaps are none.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::{
    Program, Python, Report, Tracer, in_window, number, on_every_python, rows, site, system, text, turn,
};

on_every_python!(unreaped_children_are_reported, what_became_of_sigchld_is_reported);

fn unreaped_children_are_reported(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "zombies.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    assert!(program.rests(), "it has printed all, and waits");
    let report = tracer.stop().exact();

    let zombies = &report["processes"]["zombies"];
    let pids: BTreeSet<_> = rows(zombies).map(|row| number(&row["pid"])).collect();
    let expected: BTreeSet<_> = rows(&truth["zombies"]).map(|child| number(&child["pid"])).collect();
    assert_eq!(pids, expected);
    assert_eq!(rows(zombies).count(), expected.len(), "one row each");
    for child in rows(&truth["zombies"]) {
        let row = rows(zombies).find(|row| row["pid"] == child["pid"]).expect("the sets are equal");
        assert_describes(row, child, &report, program.pid());
    }
}

fn assert_describes(row: &Value, child: &Value, report: &Report, parent: u32) {
    assert_eq!(row["ppid"], parent, "{row}");
    assert_eq!(row["exit_code"], child["exit_code"], "{row}");
    assert_eq!(row["signal"], Value::Null, "{row}");
    assert_eq!(site(&row["spawned_at"][0]), site(&child["frame"]), "{row}");

    let is_reaped = child["had_reaped_ns"].is_u64();
    assert_eq!(row["reaped"], is_reaped, "{row}");
    assert_eq!(row["sigchld"], "ignored", "{row}");
    let doing =
        row["parent_doing"].as_array().is_some_and(|all| all.iter().any(|frame| frame["function"] == "stay"));
    assert_eq!(doing, !is_reaped, "{row}");
    // However long it took the program to read its clock: it ended, and was reaped, between two readings.
    let at = |name: &str| child[name].as_u64().map(|ns| in_window(report, ns));
    let exited = at("about_to_exit_ns").zip(at("had_exited_ns")).expect("both are in the report");
    let end = in_window(report, report.end_monotonic_ns());
    let reaped = at("about_to_reap_ns").zip(at("had_reaped_ns")).unwrap_or((end, end));
    let began = number(&row["exited_at_ns"]);
    assert!((exited.0..=exited.1).contains(&began), "it became one at {began}, not in {exited:?}: {row}");
    let ended = began + number(&row["zombie_ns"]);
    assert!((reaped.0..=reaped.1).contains(&ended), "it was one until {ended}, not in {reaped:?}: {row}");
}

/// One SIGCHLD for two children, none for one from before.
fn what_became_of_sigchld_is_reported(python: &Python) {
    let mut program = Program::start(python, "sigchld.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();

    let zombies = &report["processes"]["zombies"];
    let reported: BTreeMap<_, _> =
        rows(zombies).map(|row| (number(&row["pid"]), row["sigchld"].clone())).collect();
    let expected = rows(&truth).map(|child| (number(&child["pid"]), child["sigchld"].clone())).collect();
    assert_eq!(reported, expected);
    let before = rows(zombies).find(|row| row["sigchld"].is_null()).expect("one from before");
    assert!(before["exited_at_ns"].is_null() && before["spawned_at"].is_null(), "{before}");
    assert_eq!(before["zombie_ns"], report["window"]["duration_ns"], "{before}");

    let sentences = rows(&report["findings"]).filter(|row| row["kind"] == "zombie");
    let sentences: Vec<_> = sentences.map(|row| text(&row["text"])).collect();
    for part in [
        "of the trace, and before",
        "its SIGCHLD handler does not call wait()",
        "may stand for several children",
    ] {
        assert!(sentences.iter().any(|sentence| sentence.contains(part)), "{part}: {sentences:#?}");
    }
}

#[test]
fn a_zombie_is_streamed_and_ends_the_trace() {
    let Some(python) = system() else { return };
    let mut program = Program::start_with(&python, "idle.py", &["zombie"]);
    let pid = program.pid().to_string();
    let tracer =
        Tracer::start(["--pid", &pid, "--jsonl", "--until", "zombie", "--fail-on", "zombies>0", "-d", "30"]);
    tracer.until_attached();
    program.go();
    let run = tracer.end();
    assert_eq!(run.code, 3, "{}", run.stderr);
    let lines: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect();
    let zombies: Vec<_> = lines.iter().filter(|line| line["kind"] == "zombie").collect();
    let [zombie] = zombies[..] else { panic!("one zombie: {zombies:?}") };
    let report = lines.last().expect("the report");
    assert_eq!(report["window"]["ended"], "until");
    let row = &report["processes"]["zombies"][0];
    assert_eq!((&zombie["pid"], &zombie["ppid"]), (&row["pid"], &program.pid().into()));
    // Who nothing happens to is polled every 250 ms, and a busy machine has other things to do.
    assert!((100_000_000..1_000_000_000).contains(&number(&zombie["zombie_ns"])), "{zombie}");
}
