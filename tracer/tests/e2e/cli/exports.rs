//! One run in every format, opened by programs that others wrote.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{
    Interpreter, Program, Python, Run, Scratch, Tracer, each, number, package, rows, run, source,
};

const ENDINGS: [&str; 7] = ["json", "jsonl", "md", "svg", "collapsed", "speedscope.json", "pb.gz"];

#[test]
fn others_find_the_same_totals_in_every_format() {
    each(Interpreter::Release(12), |python| {
        let (Some(profiles), Some(perfetto)) =
            (package(python, "flamegraph-textual-0.1.2"), package(python, "perfetto-0.59.1"))
        else {
            return;
        };
        let (scratch, report) = exported(python);
        let found = consumed(python, &profiles, "profiles", &scratch);

        let samples = number(&report["quality"]["samples"]["taken"]);
        let causes: u64 = report["switches"]["causes"]
            .as_array()
            .map_or(0, |rows| rows.iter().map(|row| number(&row["off_cpu_ns"])).sum());
        let bytes: u64 =
            report["reads"].as_array().map_or(0, |rows| rows.iter().map(|row| number(&row["bytes"])).sum());
        let gil = number(&report["gil"]["wait_ns"]);
        assert!(samples > 0 && gil > 0 && bytes >= 200 * 16, "{samples} samples, {gil} ns, {bytes} B");
        let cpu = samples * (1_000_000_000 / 999);
        assert_eq!(
            found["pprof"],
            json!({"samples": samples, "cpu": cpu, "off_cpu": causes, "gil_wait": gil, "read": bytes})
        );
        assert_eq!(
            found["speedscope"],
            json!({"on-CPU samples": samples, "off-CPU time": causes, "time waited for the GIL": gil, "bytes read": bytes})
        );
        for (file, total) in found["parsed"].as_object().expect("an object") {
            assert_eq!(number(total), samples, "{file}");
        }
        let all = found["svg"][0].as_str().expect("a flame graph has a frame below all").replace(',', "");
        assert_eq!(all, format!("all ({samples} samples 100%)"));
        assert!(found["leaves"].as_array().is_some_and(|leaves| leaves.contains(&json!("spin"))), "{found}");

        let found = consumed(python, &perfetto, "trace", &scratch);
        assert_eq!(found["whole"], true, "{found}");
        assert_eq!(found["state_ns"], state_ns(&report), "{found}");
        let has = |name: &str| {
            let instants = found["instants"].as_array().expect("a list").iter();
            instants.filter_map(Value::as_str).any(|instant| instant.starts_with(name))
        };
        assert!(has("SIGUSR1") && has("SIGCHLD") && has("fork "), "{found}");
        let stacks = found["stacks"].as_array().expect("a list");
        let sent = |stack: &&Value| stack["what"] == "signals sent" && stack["innermost"] == "<module>";
        assert!(stacks.iter().any(|stack| sent(&stack)), "{found}");
    });
}

/// Time of all threads by state, which is that of the other sections: they are split over time, and not counted anew.
fn state_ns(report: &Value) -> Value {
    let mut sums = serde_json::Map::new();
    for (state, steps) in
        rows(&report["over_time"]["threads"]).flat_map(|row| row["states"].as_object().expect("states"))
    {
        let ns: u64 = steps.as_array().expect("steps").iter().map(number).sum();
        let sum = sums.entry(state).or_insert(json!(0));
        *sum = json!(number(sum) + ns);
    }
    let of = |states: &[&str]| states.iter().filter_map(|state| sums.get(*state)).map(number).sum::<u64>();
    let switches = &report["switches"];
    assert_eq!(of(&["on_cpu"]), number(&switches["on_cpu_ns"]));
    assert_eq!(of(&["run_queue", "gil", "lock", "io", "idle", "other"]), number(&switches["off_cpu_ns"]));
    Value::Object(sums)
}

/// Traces a program, and leaves the run in every format, some of them by way of the saved report.
fn exported(python: &Python) -> (Scratch, Value) {
    let scratch = Scratch::new();
    let base = scratch.file("run").display().to_string();
    let mut program = Program::start(python, "exports.py");
    let mut arguments: Vec<String> =
        ["--budget", "off", "--rate", "999", "--pid", &program.pid().to_string()].map(str::to_owned).into();
    for ending in ENDINGS {
        arguments.extend(["-o".to_owned(), format!("{base}.{ending}")]);
    }
    let tracer = Tracer::start(arguments);
    tracer.until_attached();
    program.go();
    let ended = tracer.stop();
    let stdout = fs::read_to_string(scratch.file("run.json")).expect("the report was written");
    let report = Run { stdout, ..ended }.exact();
    let again = run(["export", &format!("{base}.json"), "-o", &format!("{base}.pftrace")]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    (scratch, report.0)
}

/// What a program with others' packages says of the files.
fn consumed(python: &Python, packages: &Path, kind: &str, scratch: &Scratch) -> Value {
    let mut consumer = Command::new(&python.path);
    consumer.env("PYTHONPATH", packages).arg("-B").arg(source("consumers.py")).arg(kind).arg(scratch.path());
    let output = consumer.output().expect("the interpreter runs");
    let reported = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{reported}");
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

#[test]
fn what_cannot_be_exported_is_reported_in_one_line() {
    let scratch = Scratch::new();
    let path = scratch.file("no.json");
    fs::write(&path, "{}").expect("the folder is ours");
    let path = path.display().to_string();
    for (arguments, code, said) in [
        (&["export", &path][..], 1, "missing field `schema`"),
        (&["export", "/nowhere.json"], 1, "no such file or directory"),
        (&["export"], 2, "<REPORT>"),
        (&["diff", &path], 2, "<AFTER>"),
    ] {
        let run = run(arguments);
        assert_eq!(run.code, code, "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(said), "{arguments:?}: {}", run.stderr);
    }
}
