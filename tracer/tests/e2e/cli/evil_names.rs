//! Names that would harm who shows them, in every format that there is.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Interpreter, Program, Python, Scratch, Tracer, each, package, run, source};

const ENDINGS: [&str; 10] =
    ["txt", "json", "jsonl", "md", "html", "svg", "collapsed", "speedscope.json", "pb.gz", "pftrace"];

#[test]
fn no_name_does_harm_in_any_format() {
    each(Interpreter::Release(12), |python| {
        let (Some(profiles), Some(perfetto)) =
            (package(python, "flamegraph-textual-0.1.2"), package(python, "perfetto-0.59.1"))
        else {
            return;
        };
        let scratch = Scratch::new();
        let is_trace = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "pftrace");
        let (traces, others): (Vec<_>, Vec<_>) = written(python, &scratch).into_iter().partition(is_trace);
        for (packages, files) in [(perfetto, traces), (profiles, others)] {
            let mut consumer = Command::new(&python.path);
            consumer.env("PYTHONPATH", packages).arg("-B").arg(source("names_consumers.py")).args(&files);
            let output = consumer.output().expect("the interpreter runs");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let said = text(&output.stdout) + &text(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{said}");
        }
    });
}

/// A run in every format, its recording in every format, and what other commands say of the process.
fn written(python: &Python, scratch: &Scratch) -> Vec<PathBuf> {
    let file = |name: &str| scratch.file(name);
    let shown = |name: &str| file(name).display().to_string();
    let mut program = Program::start_with(python, "evil_names.py", &["\x1b[31m\u{202e}\n<script>\x07"]);
    let pid = program.pid().to_string();
    let before = run(["--pid", &pid, "-d", "300ms", "-o", &shown("before.json")]);
    assert_eq!(before.code, 0, "{}", before.stderr);
    let output =
        |base: &str| ENDINGS.map(|ending| ["-o".to_owned(), shown(&format!("{base}.{ending}"))]).concat();
    let fixed = ["record", "--budget", "off", "--rate", "999", "--pid", &pid, "-o", &shown("run.trc")];
    let arguments = [fixed.map(str::to_owned).to_vec(), output("run")].concat();
    let tracer = Tracer::start(&arguments);
    tracer.until_attached();
    program.go();
    let ended = tracer.stop();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let mut names: Vec<_> = ENDINGS.iter().map(|ending| format!("run.{ending}")).collect();

    let mut again = |base: &str, command: &[&str], endings: &[&str]| {
        for ending in endings {
            let (name, path) = (format!("{base}.{ending}"), shown(&format!("{base}.{ending}")));
            let made = run([command, &["-o", &path]].concat());
            assert!([0, 3].contains(&made.code), "{command:?} {ending}: {}", made.stderr);
            names.push(name);
        }
    };
    again("replayed", &["report", &shown("run.trc")], &ENDINGS);
    again("exported", &["export", &shown("run.json")], &ENDINGS[2..]);
    again("diff", &["diff", &shown("before.json"), &shown("run.json")], &["txt", "json", "md", "svg"]);
    let mut said = |name: &str, arguments: &[&str]| {
        let run = run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {}", run.stderr);
        fs::write(file(name), run.stdout + &run.stderr).expect("the folder is ours");
        names.push(name.to_owned());
    };
    said("report.txt", &["report", "--full", &shown("run.trc")]);
    said("dump.txt", &["dump", &pid]);
    said("dump.json", &["dump", "--json", &pid]);
    said("signals.txt", &["signals", &pid]);
    said("ps.json", &["ps", "--json"]);
    program.finish();
    names.iter().map(|name| file(name)).collect()
}
