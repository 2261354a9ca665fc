//! What is said on stderr while tracing.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use tracer::event::Pid;
use tracer::redact;
use tracer::report::{Ended, Name};
use tracer::roots::Root;
use tracer::units::{counted, duration};

use crate::notice;

/// Without a terminal there is a line this often.
const PERIOD: Duration = Duration::from_secs(10);

/// One live line on a terminal, a line now and then elsewhere, nothing when quiet.
pub struct Status {
    quiet: bool,
    terminal: bool,
    said: Duration,
}

impl Status {
    /// For this stderr.
    pub fn new(quiet: bool) -> Self {
        Self { quiet, terminal: stderr().is_terminal(), said: Duration::ZERO }
    }

    /// Everything is attached.
    pub fn attached(&self, roots: &[Root], took: Duration) {
        let (asked, descendants): (Vec<_>, Vec<_>) = roots.iter().partition(|root| root.asked);
        let pids: Vec<_> = asked.iter().map(|root| root.process.pid.to_string()).collect();
        let pids = pids.join(", ");
        let descendants = match descendants.len() as u64 {
            0 => String::new(),
            others => format!(" and {}", counted(others, "descendant")),
        };
        let it = if roots.len() == 1 { "it" } else { "them" };
        self.say(&format!(
            "attached to PID {pids}{descendants} in {}, without stopping {it}; Ctrl-C to finish",
            duration(took.as_nanos() as u64)
        ));
    }

    /// What was found out of a process before it is traced.
    pub fn found(&self, root: &Root) {
        let Some(python) = &root.interpreter else { return };
        let file = Name::from(redact::program(python.file.clone().into()));
        self.say(&format!(
            "PID {} is CPython {}, known by {} in {file}",
            root.process.pid, python.version, python.how_found
        ));
    }

    /// A command has begun.
    pub fn runs(&self, command: &Name, pid: Pid) {
        self.say(&format!("tracing {command}, PID {pid}; Ctrl-C to finish"));
    }

    /// A process that is selected has come.
    pub fn joined(&self, pid: Pid) {
        self.say(&format!("PID {pid} is traced too"));
    }

    /// Some time has passed.
    pub fn progress(&mut self, elapsed: Duration, events: u64, lost: u64) {
        let line = format!("{:.0} s, {events} events, {lost} lost", elapsed.as_secs_f64());
        if self.terminal && !self.quiet {
            // Erase to the end of the line: the one before may have been longer.
            notice::write(format!("\rtracer: {line}\x1b[K"));
        } else if elapsed >= self.said + PERIOD {
            self.said = elapsed;
            self.say(&line);
        }
    }

    /// The window has ended.
    pub fn ended(&self, why: Ended) {
        let why = match why {
            Ended::Duration | Ended::Range | Ended::Saved => "the time is up",
            Ended::Interrupt => "asked to stop",
            Ended::TargetExited => "the target has exited",
            Ended::Until => "the rule of --until holds",
        };
        self.say(&format!("{why}, the report follows"));
    }

    /// One line, unless quiet; on a terminal instead of the live one.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            let erase = if self.terminal { "\r\x1b[K" } else { "" };
            notice::write(format!("{erase}tracer: {line}\n"));
        }
    }
}
