//! What comes and goes is counted to the unit: 20,000 connections, and no row for each.

use serde_json::{Value, json};

use crate::harness::{Program, Python, Tracer, on_pythons, rows, site};

on_pythons! {
    short_connections_are_one_row:
    system System,
    python3_8 Release(8),
    python3_13 Release(13),
}

fn short_connections_are_one_row(python: &Python) {
    let mut program = Program::start(python, "connections.py");
    let tracer = Tracer::attach(program.pid(), &["--only", "reads"]);
    let truth = program.go();
    let report = tracer.stop().exact();
    assert_eq!(report.lost(), 0, "{}", report["quality"]);
    for expected in truth.as_array().expect("the truth is a list") {
        let at_line: Vec<_> = rows(&report["reads"])
            .filter(|row| row["stack"].get(0).is_some_and(|leaf| site(leaf) == site(&expected["frame"])))
            .map(seen)
            .collect();
        let told = json!({
            "path": expected["path"],
            "syscalls": expected["syscalls"],
            "opens": expected["syscalls"],
        });
        assert_eq!(at_line, [told]);
    }
}

fn seen(row: &Value) -> Value {
    json!({"path": row["path"], "syscalls": row["syscalls"], "opens": row["opens"]})
}
