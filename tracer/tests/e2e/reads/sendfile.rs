//! `sendfile` from a position that it is given does not move the file's own: what is read, and where, follows from the
//! position that the kernel has gone on to in the call's own argument.

use serde_json::{Map, Value, json};

use super::row;
use crate::harness::{Program, Python, Scratch, Tracer, on_pythons};

on_pythons! {
    given_positions_count_as_the_files_own:
    system System,
    python3_8 Release(8),
    python3_13 Release(13),
    python3_15 Release(15),
}

fn given_positions_count_as_the_files_own(python: &Python) {
    let scratch = Scratch::new();
    let file = scratch.file("sent in pieces");
    let file = file.to_str().expect("temporary paths are UTF-8");
    let mut program = Program::start_with(python, "sendfile_offsets.py", &[file]);
    let tracer = Tracer::attach(program.pid(), &["--only", "reads"]);
    let truth = program.go();
    let report = tracer.stop().exact();

    let row_of = |way: &str| row(&report, program.pid(), &truth[way]);
    for way in ["own", "given", "scattered"] {
        assert_eq!(counted(row_of(way), &truth[way]), truth[way], "{way}");
    }
    // By the file's own position, which stands still, no piece would go on where the one before it ended.
    let (own, given, scattered) = (row_of("own"), row_of("given"), row_of("scattered"));
    assert_eq!(given["avoidable"], own["avoidable"], "{given}, and {own}");
    assert_ne!(given["avoidable"], json!(0), "{given}");
    assert_eq!(scattered["avoidable"], json!(0), "{scattered}");
    assert_eq!((&given["opens"], &scattered["opens"]), (&json!(1), &json!(1)), "{given}, and {scattered}");
}

/// What the report says of the fields that the program counts.
fn counted(row: &Value, truth: &Value) -> Value {
    let names = truth.as_object().expect("a row").keys();
    let fields = names.map(|name| {
        let value = if name == "frame" { &row["stack"][0] } else { &row[name] };
        (name.clone(), value.clone())
    });
    Value::Object(fields.collect::<Map<_, _>>())
}
