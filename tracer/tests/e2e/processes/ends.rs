//! Processes that end: where they were, and which ends are worth a sentence.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{
    Program, Python, Report, Signal, Tracer, number, on_every_python, rows, site, system, text,
};

on_every_python!(ends_are_reported_with_their_lines);

fn ends_are_reported_with_their_lines(python: &Python) {
    let mut program = Program::start(python, "ends.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    program.say("end");
    let report = tracer.end().exact();

    let (exits, killed) = (&truth["exits"], &truth["killed"]);
    if memory_outlives_exit() {
        let [left, slept] = [exits, killed].map(|child| ended_in(&report, &child["pid"]));
        assert_eq!(
            (site(&left["stack"][0]), &left["syscall"]),
            (site(&exits["frame"]), &"exit_group".into())
        );
        assert_eq!((site(&slept["stack"][0]), &slept["syscall"]), (site(&killed["frame"]), &"read".into()));
        assert!(text(&slept["object"]).starts_with("pipe:"), "{slept}");
        let itself = ended_in(&report, &program.pid().into());
        assert_eq!((&itself["stack"], &itself["syscall"]), (&Value::Null, &"exit_group".into()), "{itself}");

        let left = sentence(&report, &exits["pid"]);
        assert!(left.contains(&format!("exited with 9 at {}", place(&exits["frame"]))), "{left}");
    }
    let itself = sentence(&report, &program.pid().into());
    assert!(itself.contains("exited with 3"), "{itself}");
    let crashes = sentence(&report, &truth["loop"][0]);
    assert!(
        crashes.starts_with("crash loop: 4 processes (") && crashes.contains("exited with 4"),
        "{crashes}"
    );

    // No sentence for what ended well, nor for programs that say something by their exit code.
    let reported: Vec<_> =
        rows(&report["findings"]).filter(|row| row["kind"] == "process_end").map(|row| &row["pid"]).collect();
    let expected = [&exits["pid"], &truth["loop"][0], &program.pid().into()].map(Clone::clone);
    assert_eq!(reported, expected.iter().collect::<Vec<_>>(), "in the order of time: {}", report["findings"]);
    let kills: Vec<_> = rows(&report["findings"]).filter(|row| row["kind"] == "signal_kill").collect();
    let [kill] = kills[..] else { panic!("{kills:?}") };
    assert_eq!(
        (&kill["pid"], &kill["severity"]),
        (&killed["pid"], &"warn".into()),
        "a worker that is given up: {kill}"
    );
}

/// A handler that only takes note of it, as those of servers do, whose main thread then waits for something else.
#[test]
fn who_stays_though_asked_to_end_is_a_finding() {
    let Some(python) = system() else { return };
    for (how, is_reported) in [("handled", true), ("ignored", false)] {
        let mut program = Program::start_with(&python, "term.py", &[how]);
        let tracer = Tracer::attach(program.pid(), &[]);
        program.go();
        program.signal(Signal::TERM);
        sleep(Duration::from_millis(1_500));
        let report = tracer.stop().exact();
        let reported: Vec<_> = rows(&report["findings"]).filter(|row| row["kind"] == "stuck").collect();
        assert_eq!(reported.len(), usize::from(is_reported), "{how}: {}", report["findings"]);
        let Some(found) = reported.first() else { continue };
        let (reported, itself) = (text(&found["text"]), std::process::id());
        let seconds = reported.split_once(" has not ended ").and_then(|(_, rest)| rest.split_once(" s "));
        let seconds: f64 = seconds.and_then(|(seconds, _)| seconds.parse().ok()).expect("so many seconds");
        assert!(
            seconds >= 1.5 && reported.contains(&format!("after SIGTERM from pid {itself} (")),
            "{reported}"
        );
        assert!(
            reported.contains("it is asleep in read of pipe:[") && reported.contains("in stay"),
            "{reported}"
        );
    }
}

/// From 6.16 on a thread's end is reported before it lets go of its memory.
fn memory_outlives_exit() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("Linux has it");
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(16))
}

fn ended_in<'a>(report: &'a Report, pid: &Value) -> &'a Value {
    &report.process(number(pid)).expect("it is traced")["ended_in"]
}

fn sentence<'a>(report: &'a Report, pid: &Value) -> &'a str {
    let is_it = |row: &&Value| row["kind"] == "process_end" && &row["pid"] == pid;
    let found = rows(&report["findings"]).find(is_it);
    text(&found.unwrap_or_else(|| panic!("a sentence for {pid}: {:#}", report["findings"]))["text"])
}

/// `ends.py:10 in leave`
fn place(frame: &Value) -> String {
    format!("{}:{} in {}", text(&frame["file"]), frame["line"], text(&frame["function"]))
}
