//! A Python program under test, and the lines that we exchange with it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

use super::signals::as_a_shell_would;
use super::{PATIENCE, Python, Status, until};

/// A running program; it and what it started end with this value.
pub struct Program {
    child: Child,
    pid: u32,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

/// Where a program's source is.
pub fn source(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/programs", name].iter().collect()
}

/// The one child of a process.
pub fn only_child(pid: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it runs");
    children.trim().parse().expect("it has one child")
}

impl Program {
    /// Starts a program and waits until it is ready.
    pub fn start(python: &Python, name: &str) -> Self {
        Self::start_with(python, name, &[])
    }

    /// The same, with arguments.
    pub fn start_with(python: &Python, name: &str, arguments: &[&str]) -> Self {
        Self::start_by(Command::new(&python.path).arg("-B").arg(source(name)).args(arguments))
    }

    /// By a command that becomes an interpreter; `-B` leaves no byte code beside the sources.
    pub fn start_by(command: &mut Command) -> Self {
        let program = Self::spawn(command);
        assert_eq!(program.hear(), format!("ready {}", program.pid), "the program prints its pid");
        program
    }

    /// By a command that starts the interpreter in a pid namespace, and perhaps others that do nothing but wait for it;
    /// and its pid in there.
    pub fn start_inside(command: &mut Command) -> (Self, u32) {
        let mut program = Self::spawn(command);
        let line = program.hear();
        let inside = line.strip_prefix("ready ").and_then(|pid| pid.parse().ok());
        let inside = inside.expect("the program prints its pid");
        while Status::new(program.pid).expect("it runs").innermost_id() != u64::from(inside) {
            program.pid = only_child(program.pid);
        }
        (program, inside)
    }

    /// By a command that becomes the program; does not wait until it is ready.
    pub fn spawn(command: &mut Command) -> Self {
        let command = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = as_a_shell_would(command).spawn().expect("an interpreter that was found runs");
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("stdout is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|l| sender.send(l))
        });
        Self { pid: child.id(), child, stdin, lines }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets it work, and waits for its own account of that.
    pub fn go(&mut self) -> Value {
        self.say("go");
        serde_json::from_str(&self.hear()).expect("a program prints JSON")
    }

    /// It lives, and does what it is asked.
    pub fn answers(&mut self) -> bool {
        self.say("hello?");
        self.hear() == "still here"
    }

    /// It does, and its main thread sleeps in its next read: to have answered is not to sleep yet.
    pub fn rests(&mut self) -> bool {
        let answers = self.answers();
        until("its sleep", || (Status::new(self.pid())?.state() == 'S').then_some(()));
        answers
    }

    /// Sends it one line.
    pub fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open until it is asked to finish");
        // In one piece: who reads a part of it, as C's `getchar` may, leaves nothing of it to others.
        stdin.write_all(format!("{line}\n").as_bytes()).expect("the program reads its stdin");
    }

    /// Its next line.
    #[track_caller]
    pub fn hear(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the program says something")
    }

    /// Lets it finish by itself.
    pub fn finish(&mut self) {
        self.stdin = None;
        let status = self.child.wait().expect("it is our child");
        assert!(status.success(), "the program failed: {status}");
    }

    /// Sends its process a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid.cast_signed()).expect("no process has the id 0");
        kill_process(pid, signal).expect("a process that was not waited for has its pid");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // The group is the program's own, and its leader has not been reaped: no other can have this number.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}
