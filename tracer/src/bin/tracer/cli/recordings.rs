//! Options of the verbs that write and read recordings.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use regex_lite::Regex;
use tracer::session::{EventFilter, Range, Trigger, Triggers, View};

use super::values;
use super::{OutputOptions, Targets, TraceOptions};

const RECORD_EXAMPLES: &str = "\
Examples:
  sudo tracer record --pid 4242 -d 60s -o shop.trc    a minute; then: tracer report shop.trc
  sudo tracer record --name 'gunicorn.*shop' -o shop.trc --json > report.json
  sudo tracer record --pid 4242 --ring 5m --on 'loop>500ms,exit!=0,signal:KILL' -o shop.trc
                                                      the five minutes before each, in shop-TIME.trc";

const REPORT_EXAMPLES: &str = "\
Examples:
  tracer report shop.trc                              the report, on any machine, without root
  tracer report shop.trc --json | jq .findings
  tracer report shop.trc --range 5s-10s --thread worker --exclude logging";

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

    #[command(flatten)]
    flight: FlightOptions,
}

/// A flight recorder: the last minutes, saved when something happens
#[derive(Debug, Args)]
struct FlightOptions {
    /// Keep only the last part, in memory, and save it to a file of its own (FILE-TIME.trc) at SIGUSR1, at the end, and
    /// as --on and --every say: 5m, 30s
    #[arg(long, value_name = "DUR", value_parser = values::duration)]
    ring: Option<Duration>,

    /// Save each time that one of these is true: signal:TERM, exit!=0, zombies>3, orphan, gc.max>200ms, loop>500ms
    #[arg(long, value_name = "RULES", value_delimiter = ',', value_parser = values::trigger, requires = "ring")]
    on: Vec<Trigger>,

    /// Save this often
    #[arg(long, value_name = "DUR", value_parser = values::duration, requires = "ring")]
    every: Option<Duration>,

    /// Save at most this many files: what is not saved then is counted, and said
    #[arg(long, value_name = "N", default_value_t = 100, requires = "ring")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    saves: u32,
}

/// What of a run is kept, and when it is saved.
pub struct FlightPlan {
    pub length: Duration,
    pub triggers: Triggers,
    pub most_files: u32,
}

impl RecordOptions {
    /// If not all is kept.
    pub fn flight(&self) -> Option<FlightPlan> {
        let FlightOptions { ring, on, every, saves } = &self.flight;
        let triggers = Triggers::new(on.clone(), *every);
        Some(FlightPlan { length: (*ring)?, triggers, most_files: *saves })
    }
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

    /// Only this part of its time: 5s-10s, 5s-, -10s, 5s+2s; to the second, since rows are added up by the second
    #[arg(long, value_name = "RANGE", value_parser = values::range, allow_hyphen_values = true)]
    range: Option<Range>,

    /// Only rows of these processes
    #[arg(long, value_name = "PID", value_delimiter = ',', value_parser = values::pid)]
    process: Vec<u32>,

    /// Only rows of threads with this name or id; reads are not counted by thread
    #[arg(long, value_name = "NAME|TID")]
    thread: Vec<String>,

    /// Only rows with a function or file that matches, anywhere in their stack
    #[arg(long, value_name = "REGEX", value_parser = values::regex)]
    include: Vec<Regex>,

    /// No rows with a function or file that matches
    #[arg(long, value_name = "REGEX", value_parser = values::regex)]
    exclude: Vec<Regex>,

    #[command(flatten)]
    pub output: OutputOptions,
}

impl ReportOptions {
    /// What of the recording is wanted.
    pub fn view(&self) -> View {
        let choice = EventFilter {
            processes: self.process.clone(),
            threads: self.thread.clone(),
            include: self.include.clone(),
            exclude: self.exclude.clone(),
        };
        View { range: self.range.unwrap_or_default(), choice }
    }
}
