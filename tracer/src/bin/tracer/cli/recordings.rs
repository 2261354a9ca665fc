//! Options of the verbs that write and read recordings.

use std::path::PathBuf;

use clap::Args;

use super::{OutputOptions, Targets, TraceOptions};

const RECORD_EXAMPLES: &str = "\
Examples:
  sudo tracer record --pid 4242 -d 60s -o shop.trc    a minute; then: tracer report shop.trc
  sudo tracer record --name 'gunicorn.*shop' -o shop.trc --json > report.json";

const REPORT_EXAMPLES: &str = "\
Examples:
  tracer report shop.trc                              the report, on any machine, without root
  tracer report shop.trc --json | jq .findings";

/// Trace, and keep what is seen in a recording
///
/// The recording can be read while it grows, and up to its last second if tracer is killed or the disk is full. `tracer
/// report FILE` makes of it the report that the run itself would have shown, on any machine and without any rights.
#[derive(Debug, Args)]
#[command(after_long_help = RECORD_EXAMPLES)]
pub struct RecordOptions {
    #[command(flatten)]
    pub targets: Targets,

    #[command(flatten)]
    pub trace: TraceOptions,
}

/// Show the report of a recording
///
/// Needs neither root nor the traced machine. What is damaged is left out, and said.
#[derive(Debug, Args)]
#[command(after_long_help = REPORT_EXAMPLES)]
pub struct ReportOptions {
    /// The recording
    #[arg(value_name = "FILE")]
    pub recording: PathBuf,

    #[command(flatten)]
    pub output: OutputOptions,
}
