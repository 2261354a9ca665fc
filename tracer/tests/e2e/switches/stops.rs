//! What stops a process from outside, a debugger or SIGSTOP, is not taken for the program's own doing.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::{Program, Python, Report, Tracer, number, on_every_python, rows, skip, text, turn};

on_every_python!(
    children_of_one_thread_keep_nobody_waiting,
    whoever_traces_beside_us_is_no_child,
    a_stop_is_no_sleep_with_the_gil,
);

/// The only thread holds the GIL while it makes a child, and nobody else wants it.
fn children_of_one_thread_keep_nobody_waiting(python: &Python) {
    let mut program = Program::start_with(python, "stops.py", &["children"]);
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    assert_eq!(about_the_gil(&report), [""; 0]);
    assert_children_are(&report, &truth);
}

/// The kernel notifies a parent of its child's end from strace's thread, once strace has waited for it.
fn whoever_traces_beside_us_is_no_child(python: &Python) {
    let mut program = Program::start_with(python, "stops.py", &["children"]);
    let Some(mut strace) = strace(program.pid()) else { return skip("there is no strace") };
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    program.finish();
    strace.wait().expect("it is our child");

    assert_eq!(about_the_gil(&report), [""; 0]);
    assert_children_are(&report, &truth);
    let zombies: Vec<_> = rows(&report["processes"]["zombies"]).map(|row| &row["pid"]).collect();
    let children = truth["children"].as_array().expect("pids");
    assert!(zombies.iter().all(|pid| children.contains(pid)), "{zombies:?}");
    let reported = rows(&report["findings"]).map(|row| text(&row["text"]));
    let of_strace: Vec<_> = reported.filter(|text| text.contains("strace")).collect();
    assert_eq!(of_strace, [""; 0]);
}

fn a_stop_is_no_sleep_with_the_gil(python: &Python) {
    let _turn = turn();
    let mut program = Program::start_with(python, "stops.py", &["stopped"]);
    let tracer = Tracer::attach(program.pid(), &[]);
    program.go();
    let report = tracer.stop().exact();

    let stopped = rows(&report["switches"]["causes"]).filter(|row| row["cause"] == "stopped");
    let stopped: u64 = stopped.map(|row| number(&row["off_cpu_ns"])).sum();
    assert!(stopped >= 400_000_000, "a thread at least was stopped for half a second: {stopped}");
    let blocked: Vec<_> = rows(&report["gil"]["blocked_while_held"]).collect();
    assert!(blocked.iter().all(|row| row["cause"] != "stopped"), "{blocked:?}");
    let asleep: Vec<_> = about_the_gil(&report)
        .into_iter()
        .filter(|text| text.contains("without releasing the GIL"))
        .collect();
    assert_eq!(asleep, [""; 0]);
}

fn assert_children_are(report: &Report, truth: &Value) {
    let children = rows(&truth["children"]).count() as u64;
    assert_eq!(number(&report["processes"]["exited"]), children, "{}", report["processes"]);
    for pid in rows(&truth["children"]) {
        let child = report.process(number(pid)).expect("it is followed");
        assert_eq!((&child["comm"], &child["exit_code"]), (&"sleep".into(), &0.into()), "{child}");
    }
}

fn about_the_gil(report: &Report) -> Vec<&str> {
    rows(&report["findings"]).filter(|row| row["kind"] == "gil").map(|row| text(&row["text"])).collect()
}

/// strace at a process and all that it makes; it has attached.
fn strace(pid: u32) -> Option<Child> {
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null", "-p", &pid.to_string()]).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut first = String::new();
    stderr.read_line(&mut first).expect("strace says something");
    assert!(first.contains("attached"), "{first}");
    // What it says of each child is read by nobody else, and must not be in its way.
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    Some(child)
}
