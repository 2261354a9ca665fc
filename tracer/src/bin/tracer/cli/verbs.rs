//! Options of the verbs.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;
use tracer::session::Rule;

use super::values;
use super::{Color, OutputOptions, SelectionOptions, Targets, TraceOptions};

const DUMP_EXAMPLES: &str = "\
Examples:
  sudo tracer dump --pid 4242                         the stack of every thread, now
  sudo tracer dump 4242 --json | jq '.threads[] | select(.holds_gil)'";

const PS_EXAMPLES: &str = "\
Examples:
  sudo tracer ps                                      all of them
  sudo tracer ps --name celery                        those whose command line matches
  sudo tracer ps --json | jq -r '.processes[] | select(.cpu_seconds > 60) | .pid'";

const SIGNALS_EXAMPLES: &str = "\
Examples:
  sudo tracer signals --pid 4242                      which function runs at SIGTERM, who blocks it
  sudo tracer signals 4242 --json | jq '.processes[].signals[] | select(.pending)'";

const RUN_EXAMPLES: &str = "\
Examples:
  sudo tracer run -- python3 app.py --port 8000       until it exits; then print the report
  sudo tracer run -o report.json -- pytest -q         write the report to a file
  sudo tracer run -d 30s -- gunicorn shop:app         trace 30 seconds; it keeps running";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  sudo tracer doctor                                  can this machine trace?
  sudo tracer doctor --pid 4242 --json                can this process be traced?";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  tracer completions bash > /usr/share/bash-completion/completions/tracer
  tracer completions fish > ~/.config/fish/completions/tracer.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  tracer man | man -l -                               read it now
  tracer man dump > /usr/local/share/man/man1/tracer-dump.1";

const EXPORT_EXAMPLES: &str = "\
Examples:
  tracer export report.json                           the text report of a saved run
  tracer export report.json -o again.txt -o again.json";

const DIFF_EXAMPLES: &str = "\
Examples:
  tracer diff before.json after.json                  what the second run has more of, or less
  tracer diff main.json branch.json -o diff.md --fail-on worse
  tracer diff before.json after.json -o waits.svg --of off-cpu";

/// How an answer is printed
#[derive(Debug, Args)]
pub struct AnswerOptions {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,

    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// Show the stack of every thread, now
///
/// Prints the Python stack of every thread, the system call it sleeps in, and which thread holds the GIL. The process is
/// not stopped: sleeping threads are read from outside, and running ones are sampled in the kernel for some milliseconds.
/// A stack that changed while it was read is marked.
#[derive(Debug, Args)]
#[command(after_long_help = DUMP_EXAMPLES)]
pub struct DumpOptions {
    #[command(flatten)]
    pub targets: Targets,

    /// Frames to show of each stack, innermost first
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = values::depth())]
    pub depth: u32,

    /// Hide arguments, paths and peers
    #[arg(long)]
    pub redact: bool,

    #[command(flatten)]
    pub answer: AnswerOptions,
}

/// List the Python processes of this machine
///
/// Reads /proc and the processes' memory; nothing is attached.
#[derive(Debug, Args)]
#[command(after_long_help = PS_EXAMPLES)]
pub struct PsOptions {
    #[command(flatten)]
    pub choice: SelectionOptions,

    /// Hide arguments, paths and peers
    #[arg(long)]
    pub redact: bool,

    #[command(flatten)]
    pub answer: AnswerOptions,
}

/// Show what each signal would do now
///
/// Prints which signals are caught, ignored, blocked or pending, which Python function handles each, and which threads
/// block them. It only reads /proc and the process's memory: nothing is attached, and the process is not stopped.
#[derive(Debug, Args)]
#[command(after_long_help = SIGNALS_EXAMPLES)]
pub struct SignalsOptions {
    #[command(flatten)]
    pub targets: Targets,

    /// Hide arguments, paths and peers
    #[arg(long)]
    pub redact: bool,

    #[command(flatten)]
    pub answer: AnswerOptions,
}

/// Start a command and trace it from its first instruction
///
/// Under sudo, the command runs as the user who called sudo. It keeps the terminal, so Ctrl-C reaches it too. The trace
/// ends when it exits, and tracer exits with its status. Its stdout goes to stderr unless --output names a file, because
/// stdout carries the report. A signal sent only to tracer ends the trace and leaves the command running.
#[derive(Debug, Args)]
#[command(after_long_help = RUN_EXAMPLES)]
pub struct RunOptions {
    /// Run the command as this user, not as the one who called sudo
    #[arg(long, value_name = "NAME", conflicts_with = "as_root")]
    pub user: Option<String>,

    /// Run the command as root, even if another user called sudo
    #[arg(long)]
    pub as_root: bool,

    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true)]
    pub command: Vec<OsString>,

    #[command(flatten)]
    pub trace: TraceOptions,
}

/// Check whether tracing will work, and what to do if not
///
/// Checks the kernel and the rights of this user, and loads and attaches the probes once; with --pid, checks a process
/// too. Exits with 0 if tracing will work, otherwise with the exit code that tracing would have.
#[derive(Debug, Args)]
#[command(after_long_help = DOCTOR_EXAMPLES)]
pub struct DoctorOptions {
    /// A process to be traced
    #[arg(short, long, value_name = "PID", value_parser = values::pid)]
    pub pid: Option<u32>,

    #[command(flatten)]
    pub answer: AnswerOptions,
}

/// Write a saved report in other formats
///
/// Reads what -o FILE.json, --json or --jsonl wrote, and writes it as text or in the formats that the names of the files
/// ask for. Needs neither root nor the traced machine.
#[derive(Debug, Args)]
#[command(after_long_help = EXPORT_EXAMPLES)]
pub struct ExportOptions {
    /// The saved report; `-` is stdin
    #[arg(value_name = "REPORT")]
    pub report: PathBuf,

    #[command(flatten)]
    pub output: OutputOptions,
}

/// Compare two saved reports
///
/// Shows what the second run has more of, or less, than chance explains: CPU time by line, waits by cause, reads, garbage
/// collections, signals, zombies, each by the second; samples are scaled by the rates of both. What was asked for with
/// --of is drawn by -o FILE.svg: red is more than before, blue is less. -o also takes .txt, .json and .md.
#[derive(Debug, Args)]
#[command(after_long_help = DIFF_EXAMPLES)]
pub struct DiffOptions {
    /// The report of the first run; `-` is stdin
    #[arg(value_name = "BEFORE")]
    pub before: PathBuf,

    /// The report of the second run
    #[arg(value_name = "AFTER")]
    pub after: PathBuf,

    /// Exit with 3 if this is true of the second run, or if it has more of anything: `worse`
    #[arg(long, value_name = "RULE", value_parser = values::rule)]
    pub fail_on: Vec<Rule>,

    #[command(flatten)]
    pub output: OutputOptions,
}

/// Print what makes a shell complete this command line
///
/// It is made from the definition of the command line itself.
#[derive(Debug, Args)]
#[command(after_long_help = COMPLETIONS_EXAMPLES)]
pub struct CompletionsOptions {
    /// The shell
    pub shell: Shell,
}

/// Print the manual page of tracer, or of one of its commands
#[derive(Debug, Args)]
#[command(after_long_help = MAN_EXAMPLES)]
pub struct ManOptions {
    /// The command
    #[arg(value_name = "COMMAND", value_parser = super::known_command)]
    pub command: Option<String>,
}
