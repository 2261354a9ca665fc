//! Values of options, as people write them.

use std::time::Duration;

use regex_lite::{Regex, RegexBuilder};
use tracer::launch::User;
use tracer::report::Format;
use tracer::report::export::Measure;
use tracer::sections::Section;
use tracer::session::{Range, Rule, Trigger};

/// What tracing may cost, as a share of the target's CPU time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetOption(pub Option<f64>);

/// A process id; a name is refused with a hint how to find its ids.
pub fn pid(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|pid| (1..=i32::MAX as u32).contains(pid));
    let is_plain = |char: char| char.is_alphanumeric() || "._-".contains(char);
    let is_name = text.starts_with(char::is_alphabetic) && text.chars().all(is_plain);
    number.ok_or_else(|| match is_name {
        true => format!("a PID is a number; try --name {text}"),
        false => format!("a PID is a number from 1 to {}", i32::MAX),
    })
}

/// Longest expression, and bytes that it may take: what a search takes grows with the product of its states and groups.
const EXPRESSION: (usize, usize) = (1_000, 128 << 10);

/// An expression that command lines are searched for.
pub fn regex(text: &str) -> Result<Regex, String> {
    let (longest, bytes) = EXPRESSION;
    if text.len() > longest {
        return Err(format!("it is longer than {longest} bytes"));
    }
    RegexBuilder::new(text).size_limit(bytes).build().map_err(|error| error.to_string())
}

/// A user's number, by name or as it is.
pub fn user(text: &str) -> Result<u32, String> {
    let by_name = || User::of_name(text).map(|user| user.uid);
    text.parse().ok().or_else(by_name).ok_or_else(|| "there is no such user".to_owned())
}

/// Frames of a stack.
pub fn depth() -> impl clap::builder::TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(1..=1024)
}

/// A number and a unit; seconds without one.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let seconds = match unit {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit} is not a unit of time; use us, ms, s, m or h")),
    };
    let number: f64 = number.parse().map_err(|_| "there is no number".to_owned())?;
    let duration = Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("it must be more than 0".into()) } else { Ok(duration) }
}

/// A section's name.
pub fn section(text: &str) -> Result<Section, String> {
    text.parse()
}

/// A format, by its name or the ending of its files.
pub fn format(text: &str) -> Result<Format, String> {
    text.parse()
}

/// What a flame graph is of.
pub fn measure(text: &str) -> Result<Measure, String> {
    text.parse()
}

/// A part of a recording's time.
pub fn range(text: &str) -> Result<Range, String> {
    text.parse()
}

/// A condition.
pub fn rule(text: &str) -> Result<Rule, String> {
    text.parse()
}

/// A condition that makes a flight recorder save.
pub fn trigger(text: &str) -> Result<Trigger, String> {
    text.trim().parse()
}

/// A condition that ends a run.
pub fn until(text: &str) -> Result<Rule, String> {
    let early = "what ends a run must be seen at once: signal:NAME, exit!=0, zombies, orphan, gc.max, loop";
    let rule = rule(text)?;
    if rule.is_seen_early() { Ok(rule) } else { Err(early.to_owned()) }
}

/// A percentage, or `off`.
pub fn budget(text: &str) -> Result<BudgetOption, String> {
    if text == "off" {
        Ok(BudgetOption(None))
    } else {
        percentage(text).map(|share| BudgetOption(Some(share)))
    }
}

/// `15%` or `15`: a share of 0.15.
pub fn percentage(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("it must be a percentage from 0 to 100".into()),
    }
}

/// A power of two in bytes.
pub fn ring_size(text: &str) -> Result<u32, String> {
    let (number, unit) = split_unit(text);
    let scale: u64 = match unit {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        _ => return Err(format!("{unit} is not a unit of size; use KiB, MiB or GiB")),
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
        assert_eq!((budget("off"), budget("15%")), (Ok(BudgetOption(None)), Ok(BudgetOption(Some(0.15)))));
    }
}
