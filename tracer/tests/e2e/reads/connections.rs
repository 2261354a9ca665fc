//! What comes and goes is counted to the unit: 20,000 connections, and no row for each.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{Program, Python, Scratch, Status, Tracer, number, on_pythons, rows, site, text, turn};

on_pythons! {
    short_connections_are_one_row:
    system System,
    python3_8 Release(8),
    python3_13 Release(13),
}

on_pythons! {
    as_many_connections_as_this_machine_makes_are_counted:
    system System,
    python3_13 Release(13),
}

/// Threads that connect, and how often each does: for two seconds or so.
const CLIENTS: usize = 4;
const EACH: usize = 10_000;
/// What the tracer's own memory may grow by beside that.
const GROWTH_BYTES: u64 = 1 << 20;

fn short_connections_are_one_row(python: &Python) {
    let mut program = Program::start(python, "connections.py");
    let tracer = Tracer::attach(program.pid(), &["--only", "reads"]);
    let truth = program.go();
    let report = tracer.stop().exact();
    assert_eq!(report.lost(), 0, "{}", report["quality"]);
    for expected in truth.as_array().expect("the truth is a list") {
        let at_line: Vec<_> = rows(&report["reads"])
            .filter(|row| row["stack"].get(0).is_some_and(|leaf| site(leaf) == site(&expected["frame"])))
            .map(seen)
            .collect();
        let reported = json!({
            "path": expected["path"],
            "syscalls": expected["syscalls"],
            "opens": expected["syscalls"],
        });
        assert_eq!(at_line, [reported]);
    }
}

/// Clients in C, as good as: what is read of them is what the program says, to the unit.
fn as_many_connections_as_this_machine_makes_are_counted(python: &Python) {
    let _turn = turn();
    for family in ["inet", "unix"] {
        let scratch = Scratch::new();
        let socket = scratch.file("socket");
        let socket = socket.to_str().expect("it is UTF-8");
        let mut program = Program::start_with(python, "short_connections.py", &[family, socket]);
        let tracer = Tracer::attach(program.pid(), &[]);
        let address = text(&program.go()).to_owned();
        let peak = || Status::new(tracer.pid()).expect("it runs").peak_bytes();
        let before = peak();
        let began = Instant::now();
        let clients: Vec<_> = (0..CLIENTS).map(|_| client(family, address.clone())).collect();
        clients.into_iter().for_each(|client| client.join().expect("a client connects"));
        let rate = (CLIENTS * EACH) as f64 / began.elapsed().as_secs_f64();
        (0..2).for_each(|_| connect(family, &address, b"end"));
        let truth: Value = serde_json::from_str(&program.hear()).expect("a program prints JSON");
        let growth = peak() - before;
        let report = tracer.stop().exact();
        println!("{family}: {rate:.0} connections a second; {before} bytes, and {growth} more");

        let of_line =
            |row: &&Value| row["stack"].get(0).is_some_and(|leaf| site(leaf) == site(&truth["frame"]));
        let mut counted: Vec<_> = rows(&report["reads"]).filter(of_line).map(seen).collect();
        let reported = |reads: &Value| json!({"path": address, "syscalls": reads, "opens": reads});
        let mut reported: Vec<_> = rows(&truth["reads"]).map(reported).collect();
        counted.sort_by_key(|row| number(&row["syscalls"]));
        reported.sort_by_key(|row| number(&row["syscalls"]));
        assert_eq!(counted, reported);
        let all: u64 = rows(&truth["reads"]).map(number).sum();
        assert_eq!(all as usize, CLIENTS * EACH + 2, "each connection was served");
        assert!(growth <= GROWTH_BYTES, "{growth} bytes beside {rate:.0} {family} connections a second");
    }
}

fn client(family: &'static str, address: String) -> thread::JoinHandle<()> {
    thread::spawn(move || (0..EACH).for_each(|_| connect(family, &address, b"GET / HTTP/1.1")))
}

/// Says something, and waits until the server has closed the connection.
fn connect(family: &str, address: &str, say: &[u8]) {
    match family {
        "unix" => talk(UnixStream::connect(address).expect("it listens"), say),
        _ => talk(TcpStream::connect(address).expect("it listens"), say),
    }
}

fn talk(mut stream: impl Read + Write, say: &[u8]) {
    stream.write_all(say).expect("it is open");
    let _ = stream.read(&mut [0]);
}

fn seen(row: &Value) -> Value {
    json!({"path": row["path"], "syscalls": row["syscalls"], "opens": row["opens"]})
}
