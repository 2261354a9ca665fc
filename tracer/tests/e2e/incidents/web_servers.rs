//! Incidents of servers of the web: what the first sentence has to be, and what must not be reported at all.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{
    Scratch, Signal, Tracer, answer, ask, assert_first, children, kill, number, package, rows, serve, server,
    sleeps_in_a_request, text, turn, until, worker,
};

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
    let master = serve(
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

    // Workers come and go because the master is asked to: that needs no attention.
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
            &["SIGABRT", "called from", "murder_workers", "arrived at", "in asleep"],
        );
    }

    let tracer = attach();
    master.signal(Signal::TERM);
    let report = tracer.end().exact();
    let reported = format!("SIGTERM from pid {} ", std::process::id());
    let ended = format!("ended pid {} (", master.pid());
    assert_first(&report, "warn", &[&reported, &ended, "and 2 processes below it: it exited with 0"]);
    let reported = rows(&report["findings"]).filter(|row| text(&row["text"]).contains("SIGTERM"));
    assert_eq!(reported.count(), 1, "one sentence: {}", report["findings"]);
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
    let master = serve(&python, &uwsgi, &scratch, &["-c", &run]);
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
        let server = serve(&python, &folders, &scratch, &arguments);
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
        assert_first(&report, "warn", &["blocked for ", "by a sleep at", "in block"]);
        let lasted = number(&report["findings"][0]["evidence"]["max_ns"]);
        assert!(lasted >= 400_000_000, "{lasted} ns: {}", report["findings"]);
    }
    let grave = |row: &&Value| ["process_end", "signal_kill", "zombie"].contains(&text(&row["kind"]));
    assert_eq!(rows(&report["findings"]).find(grave), None);

    let tracer = Tracer::attach(server.pid(), &[]);
    server.signal(Signal::TERM);
    let report = tracer.end().exact();
    let ended = format!("ended pid {} (", server.pid());
    assert_first(&report, "warn", &["SIGTERM from pid", &ended, "then ended itself with the same signal"]);
    let reported = rows(&report["findings"]).filter(|row| text(&row["text"]).contains("SIGTERM"));
    assert_eq!(reported.count(), 1, "one sentence: {}", report["findings"]);
    drop(server);

    fs::remove_file(&socket).ok(); // another server's
    let server = start();
    let tracer = Tracer::attach(server.pid(), &[]);
    ask(&socket, "/leave");
    let report = tracer.end().exact();
    assert_first(&report, "critical", &["exited with 9", "incidents_asgi.py", "in leave"]);
}
