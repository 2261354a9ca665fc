//! Servers and their workers: which ones the master ends, from which line, and what each worker did.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::Command;

use serde_json::Value;

use crate::harness::{
    Interpreter, Program, Python, Report, Scratch, Signal, Tracer, number, on_every_python, package, rows,
    site, source, system, text, turn,
};

on_every_python!(a_killed_worker_of_a_pool_is_reported);

fn a_killed_worker_of_a_pool_is_reported(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "pool.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();

    let victim = report.process(number(&truth["victim"])).expect("it is followed");
    assert_eq!((&victim["exit_signal"], &victim["reaped_by"]), (&"SIGKILL".into(), &program.pid().into()));
    let replacement = report.process(number(&truth["replacement"])).expect("it is followed");
    assert_eq!((&replacement["how"], &replacement["ppid"]), (&"fork".into(), &program.pid().into()));
    assert!(calls(&replacement["started_by"], "_repopulate_pool"), "{replacement}");

    let kill = signals(&report, &truth["victim"], 9).next().expect("a SIGKILL");
    assert_eq!(
        (&kill["outcome"], &kill["sender"]["pid"]),
        (&"killed".into(), &program.pid().into()),
        "{kill}"
    );
    assert_eq!(site(&kill["sender_stack"][0]), site(&truth["frame"]));
}

/// Three workers that do not answer: the arbiter aborts them, and kills the one that is stuck in C.
#[test]
fn workers_of_gunicorn_are_reported() {
    if system().is_none() {
        return;
    }
    let Some(python) = Interpreter::Release(12).find() else { return };
    let Some(gunicorn) = package(&python, "gunicorn-23.0.0") else { return };
    let _turn = turn();
    let scratch = Scratch::new();
    let socket = scratch.file("socket");
    let configuration = source("gunicorn_app.py");
    let programs = configuration.parent().expect("a file lies in a folder");
    let master = Program::spawn(
        Command::new(&python.path)
            .args(["-B", "-m", "gunicorn", "--config"])
            .arg(&configuration)
            .arg("gunicorn_app:app")
            .env("PYTHONPATH", format!("{}:{}", gunicorn.display(), programs.display()))
            .env("TRACER_TEST_BIND", format!("unix:{}", socket.display()))
            .env("HOME", scratch.path()),
    );
    let workers: Vec<_> = (0..3).map(|_| worker(&master)).collect();
    let pids: Vec<_> = [master.pid()].iter().chain(&workers).map(u32::to_string).collect();
    let tracer = Tracer::start(["--json", "--pid", &pids.join(",")]);
    tracer.until_attached();

    let ask = |path: &str| {
        let mut stream = UnixStream::connect(&socket).expect("the server listens");
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("the server reads");
        stream
    };
    let _asked = ["/in_c", "/in_a_loop", "/asleep"].map(ask);
    let replacements: Vec<_> = (0..3).map(|_| worker(&master)).collect();
    master.signal(Signal::TERM);
    let report = tracer.end().exact();

    let aborted = |doing: &str| {
        let came_at = |row: &&Value| row["number"] == 6 && row["interrupted"]["frame"]["function"] == doing;
        let row = rows(&report["signals"]).find(came_at).unwrap_or_else(|| panic!("{doing} is aborted"));
        assert_eq!(row["sender"]["pid"], master.pid(), "{row}");
        assert!(calls(&row["sender_stack"], "murder_workers"), "{row}");
        row
    };
    let in_c = aborted("in_c");
    assert_eq!(in_c["handler_state"], "pending", "{in_c}");
    for doing in ["in_a_loop", "asleep"] {
        let row = aborted(doing);
        assert_eq!(row["handler_state"], "started", "{row}");
        assert_eq!(
            text(&row["handler"]["frame"]["function"]).rsplit('.').next(),
            Some("handle_abort"),
            "{row}"
        );
    }
    let stuck = &in_c["target"]["pid"];
    let kill = signals(&report, stuck, 9).next().expect("the worker in C is killed");
    assert!(kill["outcome"] == "killed" && calls(&kill["sender_stack"], "murder_workers"), "{kill}");
    let sentence = rows(&report["findings"])
        .map(|row| text(&row["text"]))
        .find(|text| text.starts_with("SIGKILL") && text.contains(&format!("killed pid {stuck} (")))
        .expect("a sentence");
    assert!(sentence.contains("after a SIGABRT whose handler had not started: it arrived at"), "{sentence}");
    assert!(sentence.contains("in in_c"), "{sentence}");

    for pid in replacements {
        let worker = report.process(pid.into()).expect("it is followed");
        assert!(calls(&worker["started_by"], "spawn_worker"), "{worker}");
        assert_eq!(
            (&worker["exit_code"], &worker["reaped_by"]),
            (&0.into(), &master.pid().into()),
            "{worker}"
        );
        let term = signals(&report, &pid.into(), 15).next().expect("a graceful stop");
        assert!(calls(&term["sender_stack"], "kill_workers"), "{term}");
    }
    let term = signals(&report, &master.pid().into(), 15).next().expect("a SIGTERM");
    assert_eq!((&term["sender"]["pid"], &term["outcome"]), (&std::process::id().into(), &"handled".into()));
}

/// A task that is stuck in C: celery asks its worker to give it up, then kills it and makes another.
#[test]
fn a_stuck_worker_of_celery_is_reported() {
    if system().is_none() {
        return;
    }
    let Some(python) = Interpreter::Release(12).find() else { return };
    let Some(celery) = package(&python, "celery-5.4.0") else { return };
    let _turn = turn();
    let scratch = Scratch::new();
    let program = source("celery_app.py");
    let programs = program.parent().expect("a file lies in a folder");
    let mut master = Program::spawn(
        Command::new(&python.path)
            .args([
                "-B",
                "-m",
                "celery",
                "--app",
                "celery_app",
                "worker",
                "--pool",
                "prefork",
                "--concurrency",
            ])
            .args(["2", "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"])
            .env("PYTHONPATH", format!("{}:{}", celery.display(), programs.display()))
            .env("HOME", scratch.path())
            .current_dir(scratch.path()),
    );
    let workers: Vec<_> = (0..2).map(|_| worker(&master)).collect();
    let pids: Vec<_> = [master.pid()].iter().chain(&workers).map(u32::to_string).collect();
    let tracer = Tracer::start(["--json", "--pid", &pids.join(",")]);
    tracer.until_attached();
    master.say("limit");
    let replacement = worker(&master);
    let report = tracer.stop().exact();

    let killed = rows(&report["signals"]).find(|row| row["number"] == 9 && row["outcome"] == "killed");
    let killed = killed.expect("the stuck worker is killed");
    assert_eq!(killed["sender"]["pid"], master.pid(), "{killed}");
    assert!(calls(&killed["sender_stack"], "on_hard_timeout"), "{killed}");
    let stuck = &killed["target"]["pid"];
    assert!(workers.iter().any(|pid| stuck == pid), "{killed}");
    let soft = signals(&report, stuck, 10).next().expect("a soft limit");
    assert!(calls(&soft["sender_stack"], "on_soft_timeout"), "{soft}");
    assert_eq!(
        (&soft["handler_state"], &soft["interrupted"]["frame"]["function"]),
        (&"pending".into(), &"in_c".into())
    );

    let row = report.process(replacement.into()).expect("it is followed");
    assert_eq!(row["ppid"], master.pid(), "{row}");
    assert!(calls(&row["started_by"], "_repopulate_pool"), "{row}");
    let victim = report.process(number(stuck)).expect("it is traced");
    assert_eq!((&victim["exit_signal"], &victim["reaped_by"]), (&"SIGKILL".into(), &master.pid().into()));
}

/// The next worker that is ready; servers say other things, too.
fn worker(master: &Program) -> u32 {
    loop {
        let line = master.hear();
        if let Some(pid) = line.strip_prefix("worker ") {
            return pid.parse().unwrap_or_else(|_| panic!("no worker: {line}"));
        }
    }
}

fn signals<'a>(report: &'a Report, to: &Value, signal: u64) -> impl Iterator<Item = &'a Value> {
    rows(&report["signals"]).filter(move |row| row["number"] == signal && &row["target"]["pid"] == to)
}

/// Whether a function is on a stack, by the last part of its name.
fn calls(stack: &Value, function: &str) -> bool {
    rows(stack).any(|frame| {
        text(&frame["function"]).rsplit('.').next().is_some_and(|name| name.starts_with(function))
    })
}
