//! Options of the verbs.

use std::ffi::OsString;

use clap::Args;

use super::values;
use super::{Color, Targets, TraceOptions};

const DUMP_EXAMPLES: &str = "\
Examples:
  sudo tracer dump --pid 4242                         where every thread is now
  sudo tracer dump 4242 --json | jq '.threads[] | select(.holds_gil)'";

const SIGNALS_EXAMPLES: &str = "\
Examples:
  sudo tracer signals --pid 4242                      what runs at SIGTERM, who blocks it, what is pending
  sudo tracer signals 4242 --json | jq '.processes[].signals[] | select(.pending)'";

const RUN_EXAMPLES: &str = "\
Examples:
  sudo tracer run -- python3 app.py --port 8000       until it exits, then print the report
  sudo tracer run -o report.json -- pytest -q         the report into a file
  sudo tracer run -d 30s -- gunicorn shop:app         the first 30 seconds; it then runs on";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  sudo tracer doctor                                  is this machine ready?
  sudo tracer doctor --pid 4242 --json                and can this process be traced?";

/// Show where every thread is now
///
/// Prints the Python stack of every thread, what it sleeps in and who holds the GIL. The process is not stopped: threads
/// that sleep are read from outside and believed only if they slept throughout, threads that run are sampled in the
/// kernel for some milliseconds.
#[derive(Debug, Args)]
#[command(after_long_help = DUMP_EXAMPLES)]
pub struct DumpOptions {
    #[command(flatten)]
    pub targets: Targets,

    /// Frames shown of a stack, innermost first
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = values::depth())]
    pub depth: u32,

    /// One JSON object
    #[arg(long)]
    pub json: bool,

    /// When to colour the text
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// Show what each signal would do now
///
/// Prints which signals are caught, ignored, blocked or pending, the Python function that each calls, and the threads
/// that block them. Only reads /proc and the process's memory: nothing is attached, and the process is not stopped.
#[derive(Debug, Args)]
#[command(after_long_help = SIGNALS_EXAMPLES)]
pub struct SignalsOptions {
    #[command(flatten)]
    pub targets: Targets,

    /// One JSON object
    #[arg(long)]
    pub json: bool,

    /// When to colour the text
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// Start a command and trace it from its first instruction
///
/// Under sudo the command runs as the user who called it; it keeps the terminal, so that Ctrl-C reaches it
/// too, and the trace ends when it exits. Its stdout goes to stderr unless --output names a file: stdout carries the
/// report. A signal that is sent to tracer alone ends the trace and leaves the command running.
#[derive(Debug, Args)]
#[command(after_long_help = RUN_EXAMPLES)]
pub struct RunOptions {
    /// Run the command as this user, rather than as whoever called sudo
    #[arg(long, value_name = "NAME", conflicts_with = "as_root")]
    pub user: Option<String>,

    /// Run the command as root, although sudo was called by somebody else
    #[arg(long)]
    pub as_root: bool,

    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true)]
    pub command: Vec<OsString>,

    #[command(flatten)]
    pub trace: TraceOptions,
}

/// Check whether tracing will work, and say what to do if not
///
/// Looks at the kernel, the rights, loads and attaches the probes once, and with --pid looks at a process too. Exits
/// with 0 if nothing stands in the way, else with the exit code that tracing would have had.
#[derive(Debug, Args)]
#[command(after_long_help = DOCTOR_EXAMPLES)]
pub struct DoctorOptions {
    /// A process that shall be traced
    #[arg(short, long, value_name = "PID", value_parser = values::pid)]
    pub pid: Option<u32>,

    /// One JSON object
    #[arg(long)]
    pub json: bool,

    /// When to colour the text
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}
