//! A real defect in a real library: psutil 5.8 reads /proc in pieces of 1,024 bytes on CPython 3.9.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{
    Interpreter, Program, Python, Report, Tracer, each, number, package, rows, source, text,
};

#[test]
fn psutil_5_8_reads_in_pieces() {
    each(Interpreter::Release(9), |python| {
        let Some((truth, report)) = polled(python, "psutil-5.8.0") else { return };
        for path in ["/proc/meminfo", "/proc/stat"] {
            let read = row(&report, path);
            let sizes = json!({"1024": read["syscalls"]});
            assert_eq!(read["requested"], sizes, "{read}");
            assert!(number(&read["syscalls"]) >= number(&truth["polls"]), "{read}");
            assert_eq!(read["through"], "buffered", "{read}");

            let found = finding(&report, path).unwrap_or_else(|| panic!("{path}: {}", report["findings"]));
            assert_eq!(found["frame"], read["stack"][0], "{found}");
            assert!(text(&found["text"]).contains("1,024 B at a time, the size of its buffer"), "{found}");
        }
        let meminfo = row(&report, "/proc/meminfo");
        // Two pieces and the end become the whole and the end.
        assert_eq!(number(&meminfo["advice"]["syscalls_then"]), 2 * number(&truth["polls"]), "{meminfo}");
        assert!(text(&meminfo["advice"]["text"]).starts_with("open(..., buffering=4096) at "), "{meminfo}");
        // Of the other no more than the first line is wanted: there is nothing to save.
        assert_eq!(row(&report, "/proc/stat")["avoidable"], 0);
    });
}

#[test]
fn psutil_7_reads_at_once() {
    each(Interpreter::Release(12), |python| {
        let Some((truth, report)) = polled(python, "psutil-7.0.0") else { return };
        // The whole and its end; /proc/stat is not read further than its first line.
        assert_eq!(number(&row(&report, "/proc/meminfo")["syscalls"]), 2 * number(&truth["polls"]));
        assert_eq!(row(&report, "/proc/stat")["syscalls"], truth["polls"]);
        for path in ["/proc/meminfo", "/proc/stat"] {
            assert_eq!(row(&report, path)["advice"], Value::Null);
            assert_eq!(finding(&report, path), None);
        }
    });
}

/// What the program did, and what was seen of it; nothing where the package is not there.
fn polled(python: &Python, name: &str) -> Option<(Value, Report)> {
    let packages = package(python, name)?;
    let mut command = Command::new(&python.path);
    let command = command.env("PYTHONPATH", packages).arg("-B").arg(source("psutil_polls.py"));
    let mut program = Program::start_by(command);
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    Some((truth, tracer.stop().exact()))
}

/// What is said of the pieces in which a file is read.
fn finding<'a>(report: &'a Report, path: &str) -> Option<&'a Value> {
    rows(&report["findings"])
        .find(|found| found["kind"] == "small_reads" && found["evidence"]["path"] == path)
}

/// The only row of a file, which a line of psutil reads.
#[track_caller]
fn row<'a>(report: &'a Report, path: &str) -> &'a Value {
    let of_file: Vec<_> = rows(&report["reads"]).filter(|row| row["path"] == path).collect();
    assert_eq!(of_file.len(), 1, "rows of {path}: {of_file:#?}");
    let file = text(&of_file[0]["stack"][0]["file"]);
    assert!(file.ends_with("/psutil/_pslinux.py") || file.ends_with("/psutil/_common.py"), "{file}");
    of_file[0]
}
