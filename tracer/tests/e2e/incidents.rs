//! Incidents of real servers: what the first sentence has to be, and what must not be told at all.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{
    Interpreter, Program, Python, Report, Scratch, Signal, Tracer, on_every_python, package, rows, source,
    text, turn, until,
};

on_every_python!(an_exit_in_a_pool_is_told_first);

fn an_exit_in_a_pool_is_told_first(python: &Python) {
    let mut program = Program::start(python, "incidents_pool.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    assert_eq!(truth["pool"], "broken");
    assert_first(&report, "critical", &["exited with 9", "in leave"]);
}

#[test]
fn gunicorn_sync() {
    gunicorn("sync");
}

#[test]
fn gunicorn_gthread() {
    gunicorn("gthread");
}

fn gunicorn(class: &str) {
    let Some((python, gunicorn)) = server("gunicorn-23.0.0") else { return };
    let _turn = turn();
    let scratch = Scratch::new();
    let socket = scratch.file("socket");
    let bind = format!("unix:{}", socket.display());
    let master = start(
        &python,
        &gunicorn,
        &scratch,
        &[
            "-m",
            "gunicorn",
            "--bind",
            &bind,
            "--workers",
            "2",
            "--worker-class",
            class,
            "--timeout",
            "2",
            "incidents_app:app",
        ],
    );
    let first = [worker(&master), worker(&master)];
    let attach = || Tracer::attach(master.pid(), &[]);

    // Workers come and go because the master is told so: nobody has to look at that.
    let tracer = attach();
    for signal in [Signal::HUP, Signal::TTIN, Signal::TTOU] {
        master.signal(signal);
        let born = match signal {
            Signal::HUP => 2,
            Signal::TTIN => 1,
            _ => 0,
        };
        (0..born).for_each(|_| _ = worker(&master));
        let left = if signal == Signal::TTIN { 3 } else { 2 };
        until("the workers that are left", || (children(master.pid()).len() == left).then_some(()));
    }
    let report = tracer.stop().exact();
    assert!(children(master.pid()).iter().all(|pid| !first.contains(pid)), "they were replaced");
    let grave = |row: &&Value| {
        row["severity"] != "info" && ["process_end", "signal_kill", "orphan"].contains(&text(&row["kind"]))
    };
    assert_eq!(rows(&report["findings"]).find(grave), None);

    let tracer = attach();
    ask(&socket, "/leave");
    worker(&master);
    let report = tracer.stop().exact();
    assert_first(&report, "critical", &["exited with 9", "incidents_app.py", "in leave"]);

    let tracer = attach();
    let _asked = ask(&socket, "/asleep");
    let asleep = until("a worker in the request", || {
        children(master.pid()).into_iter().find(|pid| sleeps_in_a_request(*pid))
    });
    kill(asleep);
    worker(&master);
    let report = tracer.stop().exact();
    let killed = format!("killed pid {asleep} (");
    let place = if class == "sync" { "in asleep" } else { "which was at" };
    assert_first(&report, "critical", &["SIGKILL from pid", &killed, place]);

    if class == "sync" {
        let tracer = attach();
        let _asked = ask(&socket, "/asleep");
        worker(&master);
        let report = tracer.stop().exact();
        assert_first(
            &report,
            "critical",
            &["SIGABRT", "called from", "murder_workers", "came at", "in asleep"],
        );
    }

    let tracer = attach();
    master.signal(Signal::TERM);
    let report = tracer.end().exact();
    let told = format!("SIGTERM from pid {} ", std::process::id());
    let ended = format!("ended pid {} (", master.pid());
    assert_first(&report, "warn", &[&told, &ended, "and 2 processes below it: it exited with 0"]);
    let told = rows(&report["findings"]).filter(|row| text(&row["text"]).contains("SIGTERM"));
    assert_eq!(told.count(), 1, "one sentence: {}", report["findings"]);
}

#[test]
fn uwsgi() {
    let Some((python, uwsgi)) = server("pyuwsgi-2.0.30") else { return };
    let _turn = turn();
    let scratch = Scratch::new();
    let socket = scratch.file("socket");
    let run = format!(
        "import os, pyuwsgi; os.dup2(1, 2); pyuwsgi.run(['--http-socket', '{}', '--master', '--processes', '2', '--need-app', \
         '--lazy-apps', '--module', 'incidents_app:app', '--harakiri', '1', '--die-on-term'])",
        socket.display()
    );
    let master = start(&python, &uwsgi, &scratch, &["-c", &run]);
    let workers = [worker(&master), worker(&master)];
    let attach = || Tracer::attach(master.pid(), &[]);
    let replaced = || {
        worker(&master);
    };

    let tracer = attach();
    ask(&socket, "/leave");
    replaced();
    let report = tracer.stop().exact();
    assert_first(&report, "critical", &["exited with 9", "incidents_app.py", "in leave"]);

    let tracer = attach();
    let _asked = ask(&socket, "/asleep");
    replaced();
    let report = tracer.stop().exact();
    let from = format!("SIGKILL from pid {} (", master.pid());
    assert_first(&report, "warn", &[&from, "in asleep"]);

    let tracer = attach();
    master.signal(Signal::TERM);
    let report = tracer.end().exact();
    let ended = format!("ended pid {} (", master.pid());
    assert_first(
        &report,
        "warn",
        &["SIGTERM from pid", &ended, "and 2 processes below it: it exited with 0"],
    );
    assert!(workers.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()));
}

#[test]
fn uvicorn_on_asyncio() {
    uvicorn("asyncio");
}

#[test]
fn uvicorn_on_uvloop() {
    uvicorn("uvloop");
}

fn uvicorn(loop_of: &str) {
    let Some((python, uvicorn)) = server("uvicorn-0.34.0") else { return };
    let Some(uvloop) = package(&python, "uvloop-0.21.0") else { return };
    let _turn = turn();
    let scratch = Scratch::new();
    let socket = scratch.file("socket");
    let path = socket.to_str().expect("it is UTF-8");
    let arguments = ["-m", "uvicorn", "--uds", path, "--lifespan", "off", "--loop", loop_of];
    let arguments = [&arguments[..], &["--log-level", "error", "incidents_asgi:app"]].concat();
    let folders = PathBuf::from(format!("{}:{}", uvicorn.display(), uvloop.display()));
    let start = || {
        let server = start(&python, &folders, &scratch, &arguments);
        worker(&server);
        answer(&socket, "/");
        server
    };

    let server = start();
    let tracer = Tracer::attach(server.pid(), &[]);
    answer(&socket, "/block");
    answer(&socket, "/");
    let report = tracer.stop().exact();
    if loop_of == "asyncio" {
        // What uvloop does between two waits is not seen: it runs no Python of a loop's own.
        assert_first(&report, "warn", &["was kept from its sockets for 4", "by a sleep at", "in block"]);
    }
    let grave = |row: &&Value| ["process_end", "signal_kill", "zombie"].contains(&text(&row["kind"]));
    assert_eq!(rows(&report["findings"]).find(grave), None);

    let tracer = Tracer::attach(server.pid(), &[]);
    server.signal(Signal::TERM);
    let report = tracer.end().exact();
    let ended = format!("ended pid {} (", server.pid());
    assert_first(&report, "warn", &["SIGTERM from pid", &ended, "then ended itself by the same signal"]);
    let told = rows(&report["findings"]).filter(|row| text(&row["text"]).contains("SIGTERM"));
    assert_eq!(told.count(), 1, "one sentence: {}", report["findings"]);
    drop(server);

    fs::remove_file(&socket).ok(); // another server's
    let server = start();
    let tracer = Tracer::attach(server.pid(), &[]);
    ask(&socket, "/leave");
    let report = tracer.end().exact();
    assert_first(&report, "critical", &["exited with 9", "incidents_asgi.py", "in leave"]);
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
    let mut master = start(
        &python,
        &celery,
        &scratch,
        &[
            "-m",
            "celery",
            "--app",
            "incidents_celery",
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
    master.say("run");
    until_says(&master, "runs");
    master.say("revoke");
    worker(&master);
    let report = tracer.stop().exact();
    assert_first(&report, "info", &["SIGTERM", "in Pool.terminate_job", "came at", "in asleep"]);
    let told = rows(&report["findings"]).filter(|row| row["kind"] == "signal_kill");
    assert_eq!(told.count(), 1, "{}", report["findings"]);

    let tracer = Tracer::attach(master.pid(), &[]);
    master.signal(Signal::TERM);
    let report = tracer.end().exact();
    let ended = format!("ended pid {} (", master.pid());
    assert_first(&report, "warn", &["SIGTERM from pid", &ended, "it exited with 0"]);
}

#[test]
fn supervisor() {
    let Some((python, supervisor)) = server("supervisor-4.3.0") else { return };
    let _turn = turn();
    let scratch = Scratch::new();
    let [configuration, log, pid, done] = ["conf", "log", "pid", "done"].map(|name| scratch.file(name));
    let code =
        format!("import sys, os; os.write(os.open('{}', 1025 | 64), b'x'); sys.exit(3)", done.display());
    let text = format!(
        "[supervisord]\nnodaemon=true\nlogfile={}\npidfile={}\n\
         [program:crash]\ncommand={} -B -c \"{code}\"\nautorestart=true\nstartsecs=0\n\
         [program:good]\ncommand=sleep 600\n",
        log.display(),
        pid.display(),
        python.path.display(),
    );
    fs::write(&configuration, text).expect("a file of ours");
    let conf = configuration.to_str().expect("it is UTF-8");
    let master = start(&python, &supervisor, &scratch, &["-m", "supervisor.supervisord", "-c", conf]);
    let crashes = || fs::metadata(&done).map_or(0, |done| done.len());
    until("its first crash", || (crashes() > 0).then_some(()));
    let tracer = Tracer::attach(master.pid(), &[]);
    let before = crashes();
    until("some more", || (crashes() >= before + 4).then_some(()));
    let report = tracer.stop().exact();
    assert_first(&report, "critical", &["crash loop: ", "of pid", "exited with 3"]);
    let told = rows(&report["findings"]).filter(|row| row["kind"] == "process_end");
    assert_eq!(told.count(), 1, "{}", report["findings"]);
}

/// A cell that is interrupted is no finding; one that exits is the first.
#[test]
fn ipykernel() {
    let Some((python, ipykernel)) = server("ipykernel-6.29.5") else { return };
    let _turn = turn();
    let scratch = Scratch::new();
    let program = source("incidents_kernel.py");
    let mut client = start(&python, &ipykernel, &scratch, &[program.to_str().expect("it is UTF-8")]);
    let kernel = worker(&client);

    let tracer = Tracer::attach(kernel, &[]);
    client.say("go");
    until_says(&client, "interrupted");
    let report = tracer.stop().exact();
    let signal = rows(&report["signals"]).find(|row| row["number"] == 2).expect("a SIGINT");
    assert_eq!(signal["outcome"], "handled", "{signal}");
    let told = rows(&report["findings"]).find(|row| text(&row["text"]).contains("SIGINT"));
    assert_eq!(told, None);

    let tracer = Tracer::attach(kernel, &[]);
    client.say("go");
    let report = tracer.end().exact();
    assert_first(&report, "critical", &["exited with 9 at", "in leave"]);
}

/// The first finding, which says these things in this order.
#[track_caller]
fn assert_first(report: &Report, severity: &str, parts: &[&str]) {
    let first = rows(&report["findings"]).next().unwrap_or_else(|| panic!("nothing found: {parts:?}"));
    assert_eq!(first["severity"], severity, "{:#}", report["findings"]);
    let mut rest = text(&first["text"]);
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?}: {:#}", report["findings"]));
        rest = &rest[at + part.len()..];
    }
}

/// The interpreter that runs it, and where the package is.
fn server(name: &str) -> Option<(Python, PathBuf)> {
    let python = Interpreter::Release(12).find()?;
    let package = package(&python, name)?;
    Some((python, package))
}

fn start(python: &Python, package: &Path, scratch: &Scratch, arguments: &[&str]) -> Program {
    let programs = source("incidents_app.py");
    let programs = programs.parent().expect("a file lies in a folder");
    Program::spawn(
        Command::new(&python.path)
            .arg("-B")
            .args(arguments)
            .env("PYTHONPATH", format!("{}:{}", package.display(), programs.display()))
            .env("HOME", scratch.path())
            .current_dir(scratch.path()),
    )
}

/// The next worker that is ready; servers say other things, too.
fn worker(master: &Program) -> u32 {
    loop {
        if let Some(pid) = master.hear().strip_prefix("worker ") {
            return pid.parse().expect("a pid");
        }
    }
}

fn until_says(program: &Program, line: &str) {
    while program.hear() != line {}
}

fn ask(socket: &Path, path: &str) -> UnixStream {
    let mut stream = until("a server that listens", || UnixStream::connect(socket).ok());
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("the server reads");
    stream
}

/// Asks, and waits for the whole answer.
fn answer(socket: &Path, path: &str) {
    let mut answer = String::new();
    ask(socket, path).read_to_string(&mut answer).expect("the server answers");
    assert!(answer.ends_with("done"), "{answer}");
}

fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect()
}

/// One of its threads is in `clock_nanosleep`.
fn sleeps_in_a_request(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().any(|thread| {
        fs::read_to_string(thread.path().join("syscall")).is_ok_and(|call| call.starts_with("230 "))
    })
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("no process has the id 0");
    rustix::process::kill_process(pid, Signal::KILL).expect("it lives");
}
