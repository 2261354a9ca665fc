//! Flame graphs as SVG, by inferno.

use std::collections::BTreeMap;

use inferno::flamegraph::color::{BasicPalette, MultiPalette};
use inferno::flamegraph::{Options, Palette, from_lines};

use super::collapsed;
use super::weights::Measure;
use crate::report::{Report, Sentence};
use crate::units::duration;

/// One measure of a report.
pub fn write(report: &Report, of: Measure) -> Vec<u8> {
    let stacks = collapsed::lines(report, of).into_iter();
    let lines: Vec<_> = stacks.map(|(stack, value)| format!("{stack} {value}")).collect();
    let mut options = Options::default();
    options.title = format!("{} in {}", of.title(), duration(report.window.duration_ns));
    options.subtitle = Some(subtitle(report));
    draw(&lines, options, of)
}

/// What a second run has of a measure: its widths are its own, its colours what it has more of than the first, or less.
pub fn compare(before: &Report, after: &Report, of: Measure) -> Vec<u8> {
    let mut stacks = BTreeMap::<String, [u64; 2]>::new();
    let scale = exposure(after, of) / exposure(before, of);
    for (stack, value) in collapsed::lines(before, of) {
        stacks.entry(stack).or_default()[0] = (value as f64 * scale).round() as u64;
    }
    for (stack, value) in collapsed::lines(after, of) {
        stacks.entry(stack).or_default()[1] = value;
    }
    let lines: Vec<_> =
        stacks.into_iter().map(|(stack, [before, after])| format!("{stack} {before} {after}")).collect();
    let mut options = Options::default();
    options.title = format!("{}: red is more than before, blue is less", of.title());
    options.subtitle = Some(subtitle(after));
    draw(&lines, options, of)
}

/// What figures of two runs are compared by: time, and samples of it.
fn exposure(report: &Report, of: Measure) -> f64 {
    let rate = if of == Measure::Cpu { report.frames.rate_hz.max(1) } else { 1 };
    report.window.duration_ns.max(1) as f64 * rate as f64
}

/// Lines of stacks; a second number on each is what came of the first one.
fn draw(lines: &[String], mut options: Options<'_>, of: Measure) -> Vec<u8> {
    options.colors = match of {
        Measure::Cpu => Palette::Multi(MultiPalette::Python),
        Measure::OffCpu => Palette::Basic(BasicPalette::Blue),
        Measure::Gil => Palette::Basic(BasicPalette::Purple),
        Measure::Reads => Palette::Basic(BasicPalette::Green),
    };
    options.count_name = of.unit().to_owned();
    options.deterministic = true;
    let nothing = format!("[no {}] 1", of.title());
    let lines = if lines.is_empty() { std::slice::from_ref(&nothing) } else { lines };
    let mut svg = Vec::new();
    from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)
        .expect("there is a line, and memory takes all that is written");
    svg
}

fn subtitle(report: &Report) -> String {
    let roots = report.target.processes.rows.iter().filter(|process| process.root);
    let titles = roots.map(|root| format!("pid {} {}", root.pid, root.title)).collect::<Vec<_>>();
    Sentence::new(titles.join(", ")).to_string()
}
