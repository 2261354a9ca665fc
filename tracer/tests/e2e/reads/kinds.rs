//! Every kind of file is reported by its kind and path, also after it has been closed or unlinked, and so are calls that fail.

use serde_json::{Value, json};

use crate::harness::{Program, Python, Scratch, Tracer, on_pythons, rows, site};

on_pythons! {
    every_kind_is_reported:
    system System,
    python3_8 Release(8),
    python3_12 Release(12),
    python3_15 Release(15),
}

fn every_kind_is_reported(python: &Python) {
    let scratch = Scratch::new();
    let folder = scratch.path().to_str().expect("temporary paths are UTF-8");
    let mut program = Program::start_with(python, "kinds.py", &[folder]);
    let tracer = Tracer::attach(program.pid(), &["--only", "reads"]);
    let truth = program.go();
    let report = tracer.stop().exact();

    for expected in truth.as_array().expect("the truth is a list") {
        let here = site(&expected["frame"]);
        let found: Vec<_> = rows(&report["reads"])
            .filter(|row| row["stack"].get(0).is_some_and(|leaf| site(leaf) == here))
            .map(|row| seen(row, expected))
            .collect();
        assert_eq!(found, std::slice::from_ref(expected), "{here}");
    }
}

/// What the report says, in the shape that the program prints; without what the program cannot know.
fn seen(row: &Value, expected: &Value) -> Value {
    let mut seen = json!({ "frame": row["stack"][0] });
    let fields = seen.as_object_mut().expect("just made");
    let names =
        ["syscall", "kind", "path", "syscalls", "bytes", "errors", "o_direct", "nonblocking", "opens"];
    for name in names.into_iter().chain(["through"]) {
        let is_known = !expected[name].is_null();
        fields.insert(name.to_owned(), if is_known { row[name].clone() } else { Value::Null });
    }
    seen
}
