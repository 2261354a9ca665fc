//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};
use tracer::attach::Plan;
use tracer::report::output::Format;
use tracer::sections::{Section, Sections};
use tracer::session::{Options, Rule};

const EXAMPLES: &str = "\
Examples:
  sudo tracer --pid 4242                     watch until Ctrl-C, then print the report
  sudo tracer -p 4242 -d 30s                 the same, for 30 seconds
  sudo tracer -p 4242 -d 10s --json | jq .   the report as JSON
  sudo tracer -p 4242 --jsonl                every event as it happens, the report last
  sudo tracer -p 4242 -o report.json         into a file
  sudo tracer -p 4242 --only signals,processes --until signal:TERM

Exit codes: 0 done, 1 failure, 2 usage, 3 a --fail-on rule held, 4 no such process, 5 not permitted,
6 not a CPython that is known, 7 the kernel lacks something, 8 more lost than --max-loss.";

/// Why is my Python process switching, blocking, leaking children or missing signals?
///
/// Attaches to a running CPython process without stopping it, and tells what happens between Python and Linux, each
/// fact with the Python line that caused it.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// Processes to trace; a thread's id means its process
    #[arg(short, long = "pid", value_name = "PID", value_delimiter = ',', action = ArgAction::Append, value_parser = pid())]
    pids: Vec<u32>,

    /// The same, without the flag
    #[arg(value_name = "PID", value_delimiter = ',', value_parser = pid())]
    positional: Vec<u32>,

    /// How long to trace: 30s, 500ms, 5m; a bare number is seconds [default: until stopped]
    #[arg(short, long, value_name = "DUR", value_parser = duration)]
    duration: Option<Duration>,

    /// On-CPU stack samples a second on each CPU
    #[arg(short, long, value_name = "HZ", default_value_t = 99, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    rate: u32,

    /// Frames kept of a stack, innermost first
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=1024))]
    depth: u32,

    /// Trace children that are forked or spawned meanwhile (the default)
    #[arg(short = 's', long, overrides_with = "no_follow")]
    follow: bool,

    /// Do not trace children
    #[arg(long)]
    no_follow: bool,

    /// Only these sections: reads, switches, processes, signals, frames, gc
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "skip", value_parser = section)]
    only: Vec<Section>,

    /// All but these sections
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = section)]
    skip: Vec<Section>,

    /// Also count entries of the evaluation function; costs a trap each
    #[arg(long)]
    calls: bool,

    /// What tracing may cost the target before detail is given up, or `off`
    #[arg(long, value_name = "PCT|off", default_value = "15%", value_parser = budget)]
    budget: Budget,

    /// Lost hits, as a share of all, above which the exit code is 8
    #[arg(long, value_name = "PCT", default_value = "0%", value_parser = percentage)]
    max_loss: f64,

    /// End early: signal:TERM, zombie, zombies>3, orphan
    #[arg(long, value_name = "RULE", value_parser = rule)]
    until: Option<Rule>,

    /// Exit with 3 if this holds in the end: zombies>0, signal:KILL, loss>1%, gc.max>50ms
    #[arg(long, value_name = "RULE", value_parser = rule)]
    fail_on: Vec<Rule>,

    /// The report as one JSON object
    #[arg(long, conflicts_with = "jsonl")]
    json: bool,

    /// One JSON object a line: events as they happen, the report last
    #[arg(long, conflicts_with_all = ["output", "format"])]
    jsonl: bool,

    /// Write the report to a file, in the format of its extension; `-` is stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Format of the report, whatever the file is called
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "json")]
    format: Option<FormatName>,

    /// Bytes of the buffer between kernel and tracer, a power of two: 64KiB to 1GiB
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = ring_size)]
    ring_size: u32,

    /// Say nothing on stderr but errors
    #[arg(short, long)]
    pub quiet: bool,

    /// Say more on stderr
    #[arg(short, long)]
    pub verbose: bool,

    /// When to colour the report
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless the environment says otherwise.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Formats by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatName {
    Text,
    Json,
}

/// What tracing may cost.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Budget(Option<f64>);

/// What comes out in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The report, in this format.
    Report(Format),
    /// Events, and the report last.
    Stream,
}

impl Cli {
    /// The processes that were asked for.
    pub fn pids(&self) -> Vec<u32> {
        self.pids.iter().chain(&self.positional).copied().collect()
    }

    /// What the run shall do.
    pub fn options(&self) -> Options {
        let sections = if self.only.is_empty() { Sections::ALL } else { Sections::only(&self.only) };
        Options {
            plan: Plan {
                sections: sections.without(&self.skip),
                depth: self.depth,
                rate_hz: self.rate,
                ring_bytes: self.ring_size,
                calls: self.calls,
            },
            follow: self.follow || !self.no_follow,
            duration: self.duration,
            budget: self.budget.0,
            until: self.until.clone(),
        }
    }

    /// What comes out in the end.
    pub fn shape(&self) -> Shape {
        match (self.jsonl, self.json, self.format) {
            (true, ..) => Shape::Stream,
            (_, true, _) | (_, _, Some(FormatName::Json)) => Shape::Report(Format::Json),
            _ => Shape::Report(Format::Text),
        }
    }

    /// Where it goes, unless to stdout, and in which format if that was said.
    pub fn file(&self) -> Option<(&PathBuf, Option<Format>)> {
        let path = self.output.as_ref().filter(|path| path.as_os_str() != "-")?;
        let said = self.json || self.format.is_some();
        let Shape::Report(format) = self.shape() else { return None };
        Some((path, said.then_some(format)))
    }

    /// Rules whose fulfilment is a failure.
    pub fn fail_on(&self) -> &[Rule] {
        &self.fail_on
    }

    /// Greatest share of hits that may be lost.
    pub fn max_loss(&self) -> f64 {
        self.max_loss
    }
}

fn pid() -> impl clap::builder::TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(1..=i64::from(i32::MAX))
}

/// A number and a unit; seconds without one.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let seconds = match unit {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit} is no unit of time; there are us, ms, s, m, h")),
    };
    let number: f64 = number.parse().map_err(|_| "a number is missing".to_owned())?;
    let duration = Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("it must be longer than nothing".into()) } else { Ok(duration) }
}

fn section(text: &str) -> Result<Section, String> {
    text.parse()
}

fn rule(text: &str) -> Result<Rule, String> {
    text.parse()
}

fn budget(text: &str) -> Result<Budget, String> {
    if text == "off" { Ok(Budget(None)) } else { percentage(text).map(|share| Budget(Some(share))) }
}

/// `15%` or `15`: a share of 0.15.
fn percentage(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("it must be a percentage from 0 to 100".into()),
    }
}

fn ring_size(text: &str) -> Result<u32, String> {
    let (number, unit) = split_unit(text);
    let scale: u64 = match unit {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        _ => return Err(format!("{unit} is no unit of size; there are KiB, MiB, GiB")),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
    let bytes = bytes.filter(|bytes| bytes.is_power_of_two() && (64 << 10..=1 << 30).contains(bytes));
    let bytes = bytes.and_then(|bytes| u32::try_from(bytes).ok());
    bytes.ok_or_else(|| "it must be a power of two from 64KiB to 1GiB".into())
}

fn split_unit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|char: char| !(char.is_ascii_digit() || char == '.')).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_ascii_whitespace())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn pids_come_in_every_way() {
        assert_eq!(parse("tracer -p 1,2 --pid 3 4").unwrap().pids(), [1, 2, 3, 4]);
        assert!(
            parse("tracer -p 0").is_err() && parse("tracer -p x").is_err() && parse("tracer -p -5").is_err()
        );
    }

    #[test]
    fn units_read_as_people_write_them() {
        for (text, expected) in
            [("30s", 30_000), ("500ms", 500), ("5m", 300_000), ("2", 2_000), ("1.5s", 1_500)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(expected)), "{text}");
        }
        assert!(duration("0").is_err() && duration("3 days").is_err() && duration("s").is_err());
        assert_eq!((ring_size("64KiB"), ring_size("8MiB")), (Ok(65_536), Ok(8 << 20)));
        assert!(ring_size("100KiB").is_err() && ring_size("4KiB").is_err() && ring_size("8GiB").is_err());
        assert_eq!((budget("off"), budget("15%")), (Ok(Budget(None)), Ok(Budget(Some(0.15)))));
    }

    #[test]
    fn a_file_has_the_format_that_was_said_or_its_extension() {
        let said = parse("tracer -p 1 -o a --json").unwrap();
        assert_eq!(said.file().unwrap().1, Some(Format::Json));
        assert_eq!(parse("tracer -p 1 -o a.json").unwrap().file().unwrap().1, None);
        assert!(parse("tracer -p 1 -o -").unwrap().file().is_none());
    }

    #[test]
    fn sections_are_asked_for_or_left_out() {
        let options = parse("tracer -p 1 --skip reads,gc").unwrap().options();
        assert!(!options.plan.sections.has(Section::Reads) && options.plan.sections.has(Section::Frames));
        assert!(
            parse("tracer -p 1 --only reads --skip gc").is_err() && parse("tracer -p 1 --only cpu").is_err()
        );
    }
}
