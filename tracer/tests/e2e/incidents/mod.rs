//! Incidents of real programs: what the first sentence has to be, and what must not be reported at all.

mod cpython_tests;
mod web_servers;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{
    Interpreter, Program, Python, Scratch, Signal, Tracer, assert_first, on_every_python, rows, serve,
    server, source, text, turn, until, until_says, worker,
};

on_every_python!(an_exit_in_a_pool_is_reported_first);

fn an_exit_in_a_pool_is_reported_first(python: &Python) {
    let mut program = Program::start(python, "incidents_pool.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    assert_eq!(truth["pool"], "broken");
    assert_first(&report, "critical", &["exited with 9", "in leave"]);
}

/// What succeeds is no finding, however much it reads; what fails is the first.
#[test]
fn pip_is_run() {
    let Some(python) = Interpreter::Release(12).find() else { return };
    let _turn = turn();
    let scratch = Scratch::new();
    let pip = |arguments: &[&str]| {
        let pip = [python.path.to_str().expect("it is UTF-8"), "-I", "-m", "pip", "--quiet"];
        let tracer = ["run", "--as-root", "--json", "--"].iter().chain(&pip).chain(arguments);
        Tracer::start(tracer.copied()).end()
    };
    let wheel = scratch.file("tiny-1.0-py3-none-any.whl");
    let made = Command::new(&python.path).arg(source("incidents_wheel.py")).arg(&wheel).status();
    assert!(made.expect("there is a Python").success());
    let target = scratch.file("target");
    let [wheel, target] = [&wheel, &target].map(|path| path.to_str().expect("it is UTF-8"));
    let installed = pip(&["install", "--no-index", "--no-deps", "--target", target, wheel]);
    assert_eq!(installed.code, 0, "{}", installed.stderr);
    let report = installed.exact();
    assert!(Path::new(target).join("tiny.py").exists());
    let grave = |row: &&Value| row["severity"] == "critical" || row["kind"] == "process_end";
    assert_eq!(rows(&report["findings"]).find(grave), None);

    let failed = pip(&["install", "--no-index", "there-is-no-such-package"]);
    assert_eq!(failed.code, 1, "its own status: {}", failed.stderr);
    assert_first(&failed.report(), "warn", &["exited with 1"]);
}

/// celery sends two SIGTERMs: the first one is the one to blame.
#[test]
fn celery() {
    let Some((python, celery)) = server("celery-5.4.0") else { return };
    let _turn = turn();
    let scratch = Scratch::new();
    let mut master = serve(
        &python,
        &celery,
        &scratch,
        &[
            "-m",
            "celery",
            "--app",
            "celery_app",
            "worker",
            "--pool",
            "prefork",
            "--concurrency",
            "2",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            "--loglevel",
            "ERROR",
        ],
    );
    let _workers = [worker(&master), worker(&master)];

    let tracer = Tracer::attach(master.pid(), &[]);
    master.say("limit");
    worker(&master);
    let report = tracer.stop().exact();
    assert_first(&report, "warn", &["SIGKILL from pid", "on_hard_timeout", "killed pid", "in in_c"]);

    let tracer = Tracer::attach(master.pid(), &[]);
    master.say("run");
    until_says(&master, "runs");
    master.say("revoke");
    worker(&master);
    let report = tracer.stop().exact();
    assert_first(&report, "info", &["SIGTERM", "in Pool.terminate_job", "arrived at", "in asleep"]);
    let reported = rows(&report["findings"]).filter(|row| row["kind"] == "signal_kill");
    assert_eq!(reported.count(), 1, "{}", report["findings"]);

    let tracer = Tracer::attach(master.pid(), &[]);
    master.signal(Signal::TERM);
    let report = tracer.end().exact();
    let ended = format!("ended pid {} (", master.pid());
    assert_first(&report, "warn", &["SIGTERM from pid", &ended, "it exited with 0"]);
}

#[test]
fn supervisor() {
    let _turn = turn();
    let scratch = Scratch::new();
    let Some(master) = supervised(&scratch, "", "sys.exit(3)", "autorestart=true\nstartsecs=0") else {
        return;
    };
    let crashes = || begun(&scratch);
    let tracer = Tracer::attach(master.pid(), &[]);
    let before = crashes();
    until("some more", || (crashes() >= before + 4).then_some(()));
    let report = tracer.stop().exact();
    assert_first(&report, "critical", &["crash loop: ", "children of pid", "exited with 3"]);
    let reported = rows(&report["findings"]).filter(|row| row["kind"] == "process_end");
    assert_eq!(reported.count(), 1, "{}", report["findings"]);
}

/// Who was asked to stop leads; then who had to be killed since it did not care.
#[test]
fn supervisor_stops() {
    let _turn = turn();
    let scratch = Scratch::new();
    let (ignores, sleeps) = ("signal.signal(15, signal.SIG_IGN); ", "time.sleep(600)");
    let Some(master) = supervised(&scratch, ignores, sleeps, "stopwaitsecs=1") else { return };
    let tracer = Tracer::attach(master.pid(), &[]);
    master.signal(Signal::TERM);
    let report = tracer.end().exact();
    let ended = format!("ended pid {} (", master.pid());
    assert_first(&report, "warn", &["SIGTERM from pid", &ended, "and a process below it: it exited with 0"]);
    let second = rows(&report["findings"]).nth(1).expect("two findings");
    let from = format!("SIGKILL from pid {} (", master.pid());
    let killed: [&str; 3] = [&from, "killed pid", "after a SIGTERM that was ignored"];
    assert!(killed.iter().all(|part| text(&second["text"]).contains(part)), "{}", report["findings"]);
}

/// A supervisor of two: one sleeps; the other does something, notes that it has begun, and does something else.
fn supervised(scratch: &Scratch, first: &str, last: &str, settings: &str) -> Option<Program> {
    let (python, supervisor) = server("supervisor-4.3.0")?;
    let [configuration, log, pid] = ["conf", "log", "pid"].map(|name| scratch.file(name));
    let note = format!("os.write(os.open('{}', 1025 | 64), b'x')", scratch.file("begun").display());
    let text = format!(
        "[supervisord]\nnodaemon=true\nlogfile={}\npidfile={}\n\
         [program:other]\ncommand=setpriv --pdeathsig KILL {} -B -c \"import os, signal, sys, time; {first}{note}; {last}\"\n{settings}\n\
         [program:good]\ncommand=setpriv --pdeathsig KILL sleep 600\n",
        log.display(),
        pid.display(),
        python.path.display(),
    );
    fs::write(&configuration, text).expect("a file of ours");
    let conf = configuration.to_str().expect("it is UTF-8");
    let master = serve(&python, &supervisor, scratch, &["-m", "supervisor.supervisord", "-c", conf]);
    until("its first", || (begun(scratch) > 0).then_some(()));
    Some(master)
}

/// How often the other one has begun.
fn begun(scratch: &Scratch) -> u64 {
    fs::metadata(scratch.file("begun")).map_or(0, |notes| notes.len())
}

/// A cell that is interrupted is no finding; one that exits is the first.
#[test]
fn ipykernel() {
    let Some((python, ipykernel)) = server("ipykernel-6.29.5") else { return };
    let _turn = turn();
    let scratch = Scratch::new();
    let program = source("incidents_kernel.py");
    let mut client = serve(&python, &ipykernel, &scratch, &[program.to_str().expect("it is UTF-8")]);
    let kernel = worker(&client);

    let tracer = Tracer::attach(kernel, &[]);
    client.say("go");
    until_says(&client, "interrupted");
    let report = tracer.stop().exact();
    let signal = rows(&report["signals"]).find(|row| row["number"] == 2).expect("a SIGINT");
    assert_eq!(signal["outcome"], "handled", "{signal}");
    let reported = rows(&report["findings"]).find(|row| text(&row["text"]).contains("SIGINT"));
    assert_eq!(reported, None);

    let tracer = Tracer::attach(kernel, &[]);
    client.say("go");
    let report = tracer.end().exact();
    assert_first(&report, "critical", &["exited with 9 at", "in leave"]);
}
