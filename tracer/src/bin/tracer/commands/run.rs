//! `tracer run`: starts a command and traces it from its first instruction.

use std::io::{self, stderr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracer::analysis::signal_name;
use tracer::event::{Event, Pid};
use tracer::launch::{self, User, Waiting};
use tracer::limits;
use tracer::process::Process;
use tracer::report::output::Invoker;
use tracer::report::{Ended, Name, Report};
use tracer::roots::Root;
use tracer::session::{self, Listener, Watch};
use tracer::timeline::Names;

use super::outputs::Outputs;
use super::trace::{exit_code, show};
use crate::cli::RunOptions;
use crate::console::Console;
use crate::failure::Failure;
use crate::status::Status;

/// How long a command that was interrupted with us may take to end before it is said to run on.
const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// Traces a command until it ends; the exit code: the command's own, unless what we saw asks for another.
pub fn run(options: &RunOptions) -> Result<u8, Failure> {
    let outputs = Outputs::open(&options.trace.output)?;
    let stdout = if options.trace.output.has_stdout() { Some(own_stderr()?) } else { None };
    let waiting = Waiting::start(&options.command, stdout, user(options)?)?;
    let roots = [Root::before_exec(Process::open(waiting.pid)?)];
    let command = Name::new(options.command[0].as_encoded_bytes());
    let mut run =
        LaunchWatch { console: Console::new(&options.trace), command, waiting: Some(waiting), child: None };
    let finished = session::run(&options.trace.options(), &roots, &mut run)?;
    let LaunchWatch { console, command, child, .. } = run;
    let child = child.transpose()?;
    let status = console.status;
    show(&options.trace, &finished.report, outputs, console.stream)?;
    if !saw_python(&finished.report) {
        status.say("no Python process was seen");
    }
    let ended = finished.report.window.ended;
    let exit = child.and_then(|child| say_end(&status, &command, child, &roots[0], ended));
    let code = match exit_code(&options.trace, &finished.report) {
        0 => exit.map_or(0, code_of),
        ours => ours,
    };
    drop(finished); // detaching may take a while: the report has been shown
    Ok(code)
}

/// The user that the command runs as, unless ours.
fn user(options: &RunOptions) -> Result<Option<User>, launch::Error> {
    match &options.user {
        Some(name) => User::of_name(name).map(Some).ok_or_else(|| launch::Error::NoUser {
            command: Name::new(options.command[0].as_encoded_bytes()),
            user: Name::new(name.as_bytes()),
        }),
        None if options.as_root => Ok(None),
        None => Ok(Invoker::current().caller()),
    }
}

/// stdout carries the report and nothing else.
fn own_stderr() -> Result<OwnedFd, Failure> {
    stderr().as_fd().try_clone_to_owned().map_err(Failure::Runtime)
}

fn saw_python(report: &Report) -> bool {
    report.target.processes.rows.iter().any(|process| process.python.is_some())
}

/// Says how the command ended; `None` where it has not, or that is not known.
fn say_end(status: &Status, command: &Name, child: Child, root: &Root, ended: Ended) -> Option<ExitStatus> {
    let pid = root.process.pid;
    let patience = if ended == Ended::Interrupt { PATIENCE } else { Timespec::default() };
    let exit = wait(child, root, patience);
    match &exit {
        Ok(Some(exit)) => status.say(&format!("{command} {}", how(*exit))),
        Ok(None) => status.say(&format!("{command} runs on as PID {pid}")),
        Err(error) => status.say(&format!("how {command} ended is unknown: {error}")),
    }
    exit.ok().flatten()
}

/// As a shell has it: 128 and the signal's number for a death by signal.
fn code_of(exit: ExitStatus) -> u8 {
    let code = exit.code().or(exit.signal().map(|signal| 128 + signal)).unwrap_or(1);
    code as u8 // a wait status has no more than 8 bits of an exit code, and signals end at 64
}

/// Its exit status, `None` when it does not end in time.
fn wait(mut child: Child, root: &Root, patience: Timespec) -> io::Result<Option<ExitStatus>> {
    let pidfd = root.process.pidfd();
    poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&patience))?;
    child.try_wait()
}

fn how(exit: ExitStatus) -> String {
    match (exit.code(), exit.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (_, Some(signal)) => format!("was killed by {}", signal_name(signal.unsigned_abs())),
        _ => exit.to_string(),
    }
}

/// The session's watcher, which lets the command go once everything is attached.
struct LaunchWatch {
    console: Console,
    command: Name,
    waiting: Option<Waiting>,
    child: Option<Result<Child, launch::Error>>,
}

impl LaunchWatch {
    fn failed(&self) -> bool {
        matches!(self.child, Some(Err(_)))
    }
}

impl Listener for LaunchWatch {
    fn event(&mut self, event: &Event, names: &Names) {
        self.console.event(event, names);
    }
}

impl Watch for LaunchWatch {
    fn attached(&mut self, roots: &[Root], _took: Duration) {
        self.child = self.waiting.take().map(Waiting::release);
        limits::only_watch(); // the command has begun, with all that it had
        if !self.failed() {
            roots.iter().for_each(|root| self.console.status.runs(&self.command, root.process.pid));
        }
    }

    fn joined(&mut self, pid: Pid) {
        self.console.joined(pid);
    }

    fn progress(&mut self, elapsed: Duration, events: u64, lost: u64) {
        self.console.progress(elapsed, events, lost);
    }

    fn caught_up(&mut self) {
        self.console.caught_up();
    }

    fn is_over(&self) -> bool {
        self.console.is_over()
    }

    fn ended(&mut self, why: Ended) {
        if !self.failed() {
            self.console.ended(why);
        }
    }
}
