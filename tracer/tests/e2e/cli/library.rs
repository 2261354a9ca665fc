//! The library: what the command does, asked for by a program.

use std::time::Duration;

use serde_json::Value;
use tracer::{Section, Trace, dump, signals};

use crate::harness::{Program, Python, number, on_every_python, text, turn};

on_every_python!(a_program_gets_what_the_command_reports);

fn a_program_gets_what_the_command_reports(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "face.py");
    program.say("go");
    let pid = program.pid();
    let trace = Trace::builder().pid(pid).only(&[Section::Reads]).duration(Duration::from_secs(1));
    let report = trace.run().expect("a Python that is there is traced");
    program.say("stop");
    let truth: Value = serde_json::from_str(&program.hear()).expect("a program prints JSON");

    let [read] = &report.reads.rows[..] else { panic!("one line reads: {:?}", report.reads.rows) };
    let leaf = read.stack.as_ref().and_then(|stack| stack.first()).expect("the line that reads");
    assert_eq!((read.pid, read.syscall.as_str()), (pid, "pread64"));
    assert_eq!(read.path.to_string(), text(&truth["path"]));
    assert_eq!(leaf.function.to_string(), text(&truth["frame"]["function"]));
    assert_eq!(leaf.line.map(u64::from), truth["frame"]["line"].as_u64());
    // It read before the window, too, and after it.
    assert!((1..number(&truth["reads"])).contains(&read.syscalls), "{} of {}", read.syscalls, truth["reads"]);
    assert_eq!(read.bytes, 64 * read.syscalls);
    assert!(report.signals.rows.is_empty() && report.gc.is_none(), "only reads were asked for");

    assert!(program.rests());
    let dumped = dump(&[pid], 8).expect("it is there");
    let main = dumped.threads.iter().find(|thread| thread.tid == pid).expect("its main thread");
    assert_eq!(main.stack.first().map(|frame| frame.function.to_string()).as_deref(), Some("stay"));
    let now = signals(&[pid]).expect("it is there");
    let interrupt = now.processes[0].signals.iter().find(|signal| signal.signal == "SIGINT");
    let handler = interrupt.and_then(|signal| signal.handler.as_ref()).expect("Python handles SIGINT");
    assert_eq!(handler.name.as_ref().map(ToString::to_string).as_deref(), Some("default_int_handler"));
}
