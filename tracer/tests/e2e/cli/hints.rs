//! What is said of mistakes: what there is instead, and what becomes of the rest.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Program, Tracer, number, run, stack, system};

/// The id of a process that has ended.
fn gone() -> u32 {
    let child = Command::new("true").spawn().and_then(|mut child| child.wait().map(|_| child.id()));
    child.expect("true runs")
}

#[test]
fn a_section_that_does_not_exist_names_those_that_do() {
    let run = run(["--pid", "1", "--only", "sigs"]);
    assert_eq!(run.code, 2, "{run:?}");
    let sections = "switches, reads, processes, signals, frames, gc";
    assert!(run.stderr.contains(&format!("no section is called sigs; there are {sections}")), "{run:?}");
}

#[test]
fn a_name_instead_of_a_pid_says_how_to_find_it() {
    for arguments in [&["gunicorn"][..], &["--pid", "gunicorn"], &["dump", "gunicorn"]] {
        let run = run(arguments);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains("try --name gunicorn"), "{run:?}");
    }
    assert!(!run(["--pid", "-5"]).stderr.contains("--name"));
}

#[test]
fn one_process_of_several_is_gone() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let (gone, left) = (gone(), program.pid());
    let both = format!("{gone},{left}");
    for verb in [&["--json", "-d", "100ms"][..], &["dump", "--json"], &["signals", "--json"]] {
        let run = run([verb, &["--pid", &both]].concat());
        assert_eq!(run.code, 0, "{run:?}");
        let reported =
            run.stderr.lines().filter(|line| line.contains(&format!("PID {gone}: no such process")));
        assert_eq!(reported.count(), 1, "{run:?}");
        let found: Value = serde_json::from_str(&run.stdout).expect("it is JSON");
        assert!(found.to_string().contains(&format!("\"pid\":{left}")), "{found}");
    }
    let run = run(["--json", "-d", "100ms", "--pid", &both]);
    assert_eq!(run.exact()["target"]["pids"], json!([left]));
}

#[test]
fn all_processes_are_gone() {
    if system().is_none() {
        return;
    }
    let run = run(["--pid", &format!("{},{}", gone(), gone()), "-d", "100ms"]);
    assert_eq!((run.code, run.stdout.as_str()), (4, ""), "{run:?}");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
}

#[test]
fn the_window_is_as_long_as_asked_and_attaching_takes_one_time() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let run = Tracer::start(["--json", "-d", "2s", "--pid", &program.pid().to_string()]).end();
    let report = run.exact();
    // A timer may be late by some turns of those that are ready to run: with ten of them on two CPUs, 44 ms were seen.
    let lasted = number(&report["window"]["duration_ns"]);
    assert!((2_000_000_000..2_250_000_000).contains(&lasted), "{lasted} ns");
    let attached = number(&report["overhead"]["attach_ns"]) as f64;
    let reported =
        run.stderr.split(" in ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
    let (figure, unit) = reported.split_once(' ').expect("a figure and a unit");
    let scale = if unit == "s" { 1e9 } else { 1e6 };
    let reported: f64 = figure.parse::<f64>().expect("a figure") * scale;
    assert!(
        (reported - attached).abs() * 100.0 <= attached,
        "{reported} is said on stderr, {attached} in the report"
    );
}

#[test]
fn a_dump_shows_whole_stacks() {
    let Some(python) = system() else { return };
    let deep = "import sys, time\nsys.setrecursionlimit(5000)\ndef down(n):\n    if n: return down(n - 1)\n    \
                print('ready', flush=True)\n    time.sleep(1000)\ndown(500)";
    let mut command = Command::new(&python.path);
    let mut child =
        command.args(["-c", deep]).stdout(std::process::Stdio::piped()).spawn().expect("python runs");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("it prints a line");
    let dumped = run(["dump", "--json", "--pid", &child.id().to_string()]);
    child.kill().and_then(|()| child.wait()).expect("it is our child");
    let dump: Value = serde_json::from_str(&dumped.stdout).expect("it is JSON");
    let thread = &dump["threads"][0];
    assert_eq!((stack(&thread["stack"]).len(), &thread["status"]), (502, &json!("ok")), "{thread}");
}
