//! How to trace: options of bare `tracer`, and of `run`.

use std::time::Duration;

use clap::Args;
use tracer::attach::Plan;
use tracer::sections::{Section, Sections};
use tracer::session::{Options, Rule};

use super::OutputOptions;
use super::values::{self, BudgetOption};

/// How to trace, and where the report goes.
#[derive(Debug, Args)]
pub struct TraceOptions {
    /// How long: 30s, 500ms, 5m [default: until stopped]
    #[arg(short, long, value_name = "DUR", value_parser = values::duration)]
    duration: Option<Duration>,

    #[command(flatten)]
    stacks: StackOptions,

    /// Also trace child processes, present and future (the default)
    #[arg(hide_short_help = true, short = 's', long, overrides_with = "no_follow")]
    follow: bool,

    /// Do not trace child processes
    #[arg(hide_short_help = true, long)]
    no_follow: bool,

    #[command(flatten)]
    sections: SectionOptions,

    #[command(flatten)]
    limits: LimitOptions,

    /// Print one JSON object per line: events as they happen, then the report
    #[arg(hide_short_help = true, long, conflicts_with_all = ["json", "output", "format"])]
    pub jsonl: bool,

    #[command(flatten)]
    pub output: OutputOptions,

    #[command(flatten)]
    room: RoomOptions,

    /// Print only errors on stderr
    #[arg(hide_short_help = true, short, long)]
    pub quiet: bool,

    /// Print more on stderr
    #[arg(hide_short_help = true, short, long)]
    pub verbose: bool,

    /// Hide arguments, paths and peers
    #[arg(hide_short_help = true, long)]
    pub redact: bool,
}

/// How often stacks are read, and how deep.
#[derive(Debug, Args)]
struct StackOptions {
    /// On-CPU stack samples per second on each CPU
    #[arg(hide_short_help = true, short, long, value_name = "HZ", default_value_t = Plan::RATE_HZ, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    rate: u32,

    /// Frames to keep of each stack, innermost first
    #[arg(hide_short_help = true, long, value_name = "N", default_value_t = Plan::DEPTH, value_parser = values::depth())]
    depth: u32,
}

/// What is traced.
#[derive(Debug, Args)]
struct SectionOptions {
    /// Only these sections: reads, switches, signals, …
    ///
    /// There are reads, switches, processes, signals, frames and gc.
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "skip", value_parser = values::section)]
    only: Vec<Section>,

    /// Trace all sections but these
    #[arg(hide_short_help = true, long, value_name = "LIST", value_delimiter = ',', value_parser = values::section)]
    skip: Vec<Section>,

    /// Also count entries into the evaluation function (_PyEval_EvalFrameDefault); each costs a trap
    #[arg(hide_short_help = true, long)]
    calls: bool,

    /// Also see when signal handlers end; costs a trap each time that the interpreter checks for signals
    #[arg(hide_short_help = true, long)]
    handler_ends: bool,
}

/// What tracing may cost and lose, and what ends or fails a run.
#[derive(Debug, Args)]
struct LimitOptions {
    /// Share of the target's CPU time that tracing may cost before it records less detail, or `off`
    #[arg(hide_short_help = true, long, value_name = "PCT|off", default_value = "3%", value_parser = values::budget)]
    budget: BudgetOption,

    /// Share of its events that a section may lose; above it the exit code is 8
    #[arg(hide_short_help = true, long, value_name = "PCT", default_value = "0%", value_parser = values::percentage)]
    max_loss: f64,

    /// End when this happens: signal:TERM, zombie, zombies>3, orphan
    #[arg(hide_short_help = true, long, value_name = "RULE", value_parser = values::until)]
    until: Option<Rule>,

    /// Exit with 3 if this is true at the end: zombies>0, signal:KILL, gc.max>50ms
    ///
    /// A figure and a limit, which is a number, a duration or a percentage: zombies, orphans, signals, forks, loss, loop
    /// (the longest turn), gc.count, gc.total, gc.max, reads, reads.avoidable, reads.bytes, switches.voluntary,
    /// switches.involuntary, gil.wait, run_queue, frame.self("json/encoder.py") (a file, a line of it or a function: its
    /// share of the samples), frame.total("main"). With /s behind it, for each second: reads.avoidable/s>100
    #[arg(hide_short_help = true, long, value_name = "RULE", value_parser = values::rule)]
    fail_on: Vec<Rule>,
}

/// Memory in the kernel.
#[derive(Debug, Args)]
struct RoomOptions {
    /// Size of the buffer between kernel and tracer, a power of two from 64KiB to 1GiB [default: 4MiB; 8MiB with a
    /// --depth above 128]
    #[arg(hide_short_help = true, long, value_name = "SIZE", value_parser = values::ring_size)]
    ring_size: Option<u32>,

    /// Make the kernel tables this many times larger, for more lines, files and threads at a time: 1 to 16
    #[arg(hide_short_help = true, long, value_name = "TIMES", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=16))]
    room: u32,

    /// Rows that each table in the kernel has room for; what finds none is counted as lost [default: as many as a busy
    /// machine needs]
    #[arg(hide = true, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    table_rows: Option<u32>,
}

impl TraceOptions {
    /// What the run is to do.
    pub fn options(&self) -> Options {
        let sections =
            if self.sections.only.is_empty() { Sections::ALL } else { Sections::only(&self.sections.only) };
        Options {
            plan: Plan {
                sections: sections.without(&self.sections.skip),
                depth: self.stacks.depth,
                rate_hz: self.stacks.rate,
                ring_bytes: self.room.ring_size.unwrap_or_else(|| Plan::ring_bytes(self.stacks.depth)),
                room: self.room.room,
                table_rows: self.room.table_rows,
                calls: self.sections.calls,
                handler_ends: self.sections.handler_ends,
                ..Plan::default()
            },
            follow: self.follow || !self.no_follow,
            duration: self.duration,
            budget: self.limits.budget.0,
            reads_by_name: self.sections.only.contains(&Section::Reads),
            until: self.limits.until.clone(),
            ..Options::default()
        }
    }

    /// Rules whose fulfilment is a failure.
    pub fn fail_on(&self) -> &[Rule] {
        &self.limits.fail_on
    }

    /// Greatest share of its own hits that a section may lose.
    pub fn max_loss(&self) -> f64 {
        self.limits.max_loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::parse;

    #[test]
    fn what_is_not_said_is_as_the_library_has_it() {
        let unsaid = parse("tracer -p 1").unwrap().trace.options();
        assert_eq!(format!("{unsaid:?}"), format!("{:?}", Options::default()));
    }

    #[test]
    fn sections_are_asked_for_or_left_out() {
        let options = parse("tracer -p 1 --skip reads,gc").unwrap().trace.options();
        assert!(!options.plan.sections.has(Section::Reads) && options.plan.sections.has(Section::Frames));
        assert!(
            parse("tracer -p 1 --only reads --skip gc").is_err() && parse("tracer -p 1 --only cpu").is_err()
        );
    }
}
