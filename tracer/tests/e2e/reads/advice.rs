//! What the report advises is done, and the calls become what it said.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Program, Python, Report, Tracer, number, on_pythons, rows, site, text};

on_pythons! {
    advice_holds:
    system System,
    python3_9 Release(9),
    python3_12 Release(12),
    python3_13 Release(13),
    python3_15 Release(15),
}

/// Bytes asked for at each line, and whether the advice there is to change it, in which words.
const LINES: [(&str, u64, Option<&str>); 11] = [
    ("raw_proc", 16, Some("os.read(fd, 4096)")),
    ("buffered_proc", 128, Some("open(..., buffering=4096)")),
    ("raw_maps", 256, Some("os.read(fd, 4096)")),
    ("raw_sysfs", 1, Some("os.read(fd, 4096)")),
    ("raw_file", 1_000, Some("os.read(fd, 131072)")),
    ("buffered_file", 1_024, Some("open(..., buffering=131072)")),
    ("pread_file", 2_000, Some("os.pread(fd, 131072, ...)")),
    ("raw_pipe", 50, Some("os.read(fd, 65536)")),
    ("slow_pipe", 1, Some("os.read(fd, 65536)")),
    ("same_again", 16, None),
    // A page is what there is at a time, whatever is asked.
    ("large_maps", 32_768, None),
];

fn advice_holds(python: &Python) {
    let asked: BTreeMap<_, _> = LINES.iter().map(|&(name, size, _)| (name, size)).collect();
    let (truth, before) = traced(python, &asked);
    let mut better = asked.clone();
    let mut promised = BTreeMap::new();
    for (name, _, change) in LINES {
        let row = row(&before, &truth[name]);
        let advice = &row["advice"];
        let Some(change) = change else {
            assert_eq!((advice, &row["avoidable"]), (&Value::Null, &json!(0)), "{name}: {row}");
            continue;
        };
        assert!(text(&advice["text"]).starts_with(change), "{name}: {row}");
        let then = number(&advice["syscalls_then"]);
        assert_eq!(number(&row["syscalls"]) - then, number(&row["avoidable"]), "{name}: {row}");
        better.insert(name, number(&advice["buffer_size"]));
        promised.insert(name, then);
    }

    let (truth, after) = traced(python, &better);
    for (name, then) in promised {
        let row = row(&after, &truth[name]);
        let calls = number(&row["syscalls"]);
        assert!(calls.abs_diff(then) * 20 <= then, "{name}: {then} calls were promised: {row}");
        assert_eq!(row["advice"], Value::Null, "{name}: {row}");
    }
}

on_pythons! {
    only_own_reads_are_advised:
    system System,
    python3_8 Release(8),
    python3_13 Release(13),
    python3_14 Release(14),
}

/// A line gets advice to read otherwise only if it reads itself, and may.
fn only_own_reads_are_advised(python: &Python) {
    let mut program = Program::start(python, "not_own.py");
    let tracer = Tracer::attach(program.pid(), &["--only", "reads"]);
    let truth = program.go();
    let report = tracer.stop().exact();
    let site_of = |name: &str| site(&truth[name]);
    let advised = rows(&report["reads"]).filter(|row| !row["advice"].is_null());
    let advised: Vec<_> = advised.map(|row| site(&row["stack"][0])).collect();
    assert_eq!(advised, [site_of("iterate"), site_of("setting")], "{}", report["findings"]);
    let iterates = row(&report, &truth["iterate"]);
    assert!(text(&iterates["advice"]["text"]).starts_with("open(..., buffering=131072) at "), "{iterates}");
    let kept = row(&report, &truth["setting"]);
    assert!(text(&kept["advice"]["text"]).starts_with("keeping what was read at "), "{kept}");
    assert_eq!(number(&kept["advice"]["syscalls_then"]), number(&kept["syscalls"]) / 837, "{kept}");
    let found = rows(&report["findings"]).filter(|found| found["kind"] == "small_reads");
    let paths: Vec<_> = found.map(|found| &found["evidence"]["path"]).collect();
    assert_eq!(paths, [&iterates["path"], &kept["path"]], "{}", report["findings"]);
}

fn traced(python: &Python, sizes: &BTreeMap<&str, u64>) -> (Value, Report) {
    let mut program = Program::start_with(python, "advice.py", &[&json!(sizes).to_string()]);
    let tracer = Tracer::attach(program.pid(), &["--only", "reads"]);
    let truth = program.go();
    (truth, tracer.stop().exact())
}

/// The row of a line that reads one file.
#[track_caller]
fn row<'a>(report: &'a Report, frame: &Value) -> &'a Value {
    let here = site(frame);
    let mut at_line =
        rows(&report["reads"]).filter(|row| row["stack"].get(0).is_some_and(|leaf| site(leaf) == here));
    let row = at_line.next().unwrap_or_else(|| panic!("nothing is read at {here}"));
    assert_eq!(at_line.count(), 0, "one file is read at {here}");
    row
}
