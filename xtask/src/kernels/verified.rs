//! How many instructions each kernel follows to take each probe: what attaching costs, and how near a program is to the
//! million that it may take. More than a tenth above what is written down is a failure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::command::say;
use crate::tree;

/// Of each suite and program.
type Counts = BTreeMap<(String, String), u64>;

/// Compares a boot with what is written down, or with `TRACER_BLESS=1` writes it down.
pub fn check(suite: &str, seen: &BTreeMap<String, u64>) -> Result<()> {
    let file = file();
    let mut recorded = read(&file)?;
    let of_suite = |name: &String| (suite.to_owned(), name.clone());
    if std::env::var_os("TRACER_BLESS").is_some() {
        recorded.retain(|(recorded, _), _| recorded != suite);
        recorded.extend(seen.iter().map(|(name, count)| (of_suite(name), *count)));
        return fs::write(&file, written(&recorded)).context("cannot write down the counts");
    }
    ensure!(!seen.is_empty(), "the kernel did not say how many instructions it verified");
    let mut too_many = Vec::new();
    for (name, count) in seen {
        match recorded.get(&of_suite(name)) {
            // Some are loaded when a breakpoint is set, which may be after the counts were read.
            None => say(format!("{name} has {count} verified instructions, and none are written down")),
            Some(before) => too_many.extend(excess(name, *count, *before)),
        }
    }
    ensure!(too_many.is_empty(), "{}; TRACER_BLESS=1 writes that down", too_many.join(", "));
    Ok(())
}

fn file() -> PathBuf {
    tree::root().join("xtask/kernels/verified.txt")
}

/// What is wrong with a count.
fn excess(name: &str, count: u64, recorded: u64) -> Option<String> {
    let is_too_much = count * 10 > recorded * 11;
    is_too_much.then(|| format!("{name} has {count} verified instructions, {recorded} were written down"))
}

/// A line for each: suite, program, instructions.
fn read(file: &Path) -> Result<Counts> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    text.lines().map(|line| parsed(line).with_context(|| format!("no count: {line}"))).collect()
}

fn parsed(line: &str) -> Option<((String, String), u64)> {
    let mut words = line.split_whitespace();
    let (suite, program) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(((suite, program), words.next()?.parse().ok()?))
}

fn written(counts: &Counts) -> String {
    counts.iter().fold(String::new(), |mut text, ((suite, program), count)| {
        // A string takes what is written to it.
        let _ = writeln!(text, "{suite} {program} {count}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_more_is_too_much() {
        for (count, recorded, is_wrong) in [(1100, 1000, false), (1101, 1000, true), (500, 1000, false)] {
            assert_eq!(excess("walk", count, recorded).is_some(), is_wrong, "{count} of {recorded}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let counts =
            Counts::from([(("sid".into(), "sample".into()), 7), (("trixie".into(), "sample".into()), 8)]);
        let read = written(&counts).lines().map(parsed).collect::<Option<Counts>>();
        assert_eq!(read, Some(counts));
        assert_eq!(parsed("sid sample"), None);
    }
}
