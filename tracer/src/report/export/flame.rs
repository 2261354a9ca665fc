//! Flame graphs as SVG, by inferno.

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

/// Lines of stacks; a second number on each is what came of the first one.
pub fn draw(lines: &[String], mut options: Options<'_>, of: Measure) -> Vec<u8> {
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
