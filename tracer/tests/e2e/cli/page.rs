//! The report as a page, read by an HTML parser that is not ours.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Program, Scratch, Tracer, source, system};

/// Tables, their columns, and where the JSON report of the same run has them.
const SUMS: &[(&str, &str, &str, &str)] = &[
    ("causes", "count", "/switches/causes", "count"),
    ("causes", "off-CPU", "/switches/causes", "off_cpu_ns"),
    ("read-rows", "calls", "/reads", "syscalls"),
    ("read-rows", "bytes", "/reads", "bytes"),
    ("hot-lines", "samples", "/frames/hot", "self_samples"),
    ("hot-stacks", "off-CPU", "/frames/stacks", "off_cpu_ns"),
];

/// Of one run, redacted or not: the same sums, no link that leads nowhere, and no secret if it was to hide them.
#[test]
fn a_page_has_the_sums_of_json() {
    let Some(python) = system() else { return };
    let scratch = Scratch::new();
    let file = scratch.file("miller.db");
    for redact in [&[][..], &["--redact"]] {
        let mut program = Program::start_with(&python, "reads.py", &[file.to_str().expect("it is UTF-8")]);
        let paths = ["report.json", "report.html"].map(|name| scratch.file(name).display().to_string());
        let pid = program.pid().to_string();
        let fixed = ["--budget", "off", "-o", &paths[0], "-o", &paths[1], "--pid", &pid];
        let tracer = Tracer::start([&fixed[..], redact].concat());
        tracer.until_attached();
        program.go();
        let run = tracer.stop();
        assert_eq!(run.code, 0, "{}", run.stderr);

        let json = fs::read_to_string(&paths[0]).expect("it was written");
        let json: Value = serde_json::from_str(&json).expect("it is JSON");
        let html = fs::read_to_string(&paths[1]).expect("it was written");
        assert_eq!(html.contains("miller"), redact.is_empty(), "{redact:?}");
        let read =
            Command::new(&python.path).arg(source("page.py")).arg(&paths[1]).output().expect("it runs");
        let page: Value = serde_json::from_slice(&read.stdout).expect("it prints JSON");
        for (table, column, list, key) in SUMS {
            let rows = json.pointer(list).and_then(Value::as_array).expect("a list");
            let expected: u64 = rows.iter().filter_map(|row| row[key].as_u64()).sum();
            assert_eq!(page["sums"][table][column], expected, "{table}, {column}");
        }
        assert!(json["reads"][0]["syscalls"].as_u64() > Some(1), "there is something to compare");
        assert_eq!(page["tiles"]["switches.off_cpu_ns"], json["switches"]["off_cpu_ns"]);
        assert_eq!(page["broken"], serde_json::json!([]));
        assert!(page["policy"].as_str().is_some_and(|policy| policy.starts_with("default-src 'none';")));
    }
}
