//! Servers of real packages, which report their workers, and what is asked of them.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use super::{Interpreter, Program, Python, Scratch, package, source, until};

/// The interpreter that runs it, and where the package is.
pub fn server(name: &str) -> Option<(Python, PathBuf)> {
    let python = Interpreter::Release(12).find()?;
    let package = package(&python, name)?;
    Some((python, package))
}

/// Starts it where nothing of this machine is its own.
pub fn serve(python: &Python, package: &Path, scratch: &Scratch, arguments: &[&str]) -> Program {
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
pub fn worker(master: &Program) -> u32 {
    loop {
        if let Some(pid) = master.hear().strip_prefix("worker ") {
            return pid.parse().expect("a pid");
        }
    }
}

/// Waits until it says this line.
pub fn until_says(program: &Program, line: &str) {
    while program.hear() != line {}
}

/// Asks a server for a path, and does not wait for the answer.
pub fn ask(socket: &Path, path: &str) -> UnixStream {
    let mut stream = until("a server that listens", || UnixStream::connect(socket).ok());
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("the server reads");
    stream
}

/// Asks, and waits for the whole answer.
pub fn answer(socket: &Path, path: &str) {
    let mut answer = String::new();
    ask(socket, path).read_to_string(&mut answer).expect("the server answers");
    assert!(answer.ends_with("done"), "{answer}");
}

/// The processes that it has made, and that are still there.
pub fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect()
}

/// One of its threads is in `clock_nanosleep`.
pub fn sleeps_in_a_request(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().any(|thread| {
        fs::read_to_string(thread.path().join("syscall")).is_ok_and(|call| call.starts_with("230 "))
    })
}

/// Sends it SIGKILL.
pub fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("no process has the id 0");
    kill_process(pid, Signal::KILL).expect("it lives");
}
