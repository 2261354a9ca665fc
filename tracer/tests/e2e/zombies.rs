//! Children that nobody reaps are told, with how long and who made them; children that the kernel reaps are none.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Program, Python, Report, Tracer, in_window, number, on_every_python, rows, site, turn};

on_every_python!(unreaped_children_are_told);

/// Between a child's clock reading and its end, or its parent's wait and the next clock reading, both may be preempted.
const TOLERANCE_NS: u64 = 30_000_000;

fn unreaped_children_are_told(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "zombies.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
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

    let reaped_ns = child["reaped_ns"].as_u64();
    assert_eq!(row["reaped"], reaped_ns.is_some(), "{row}");
    let exited_ns = number(&child["exited_ns"]);
    let lasted_ns = reaped_ns.unwrap_or_else(|| report.end_monotonic_ns()) - exited_ns;
    let exited_at_ns = in_window(report, exited_ns);
    for (name, expected) in [("zombie_ns", lasted_ns), ("exited_at_ns", exited_at_ns)] {
        let seen = number(&row[name]);
        assert!(seen.abs_diff(expected) <= TOLERANCE_NS, "{name} {seen}, the program says {expected}: {row}");
    }
}
