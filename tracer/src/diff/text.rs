//! A diff for people.

use super::model::{Diff, Difference, Kind, Side};
use crate::report::text::Style;
use crate::report::text::page::{Ink, Page};
use crate::report::text::place::fit_place;
use crate::report::{Frame, Sentence};
use crate::units::{count, counted, duration};

/// The whole page.
#[must_use]
pub fn render(diff: &Diff, style: Style) -> String {
    let mut page = Page::new(style);
    page.line(Ink::Plain, 0, &format!("before: {}", side(&diff.before)));
    page.line(Ink::Plain, 0, &format!("after:  {}", side(&diff.after)));
    if let Some(pace) = pace(diff) {
        page.prose(Ink::Plain, 0, &pace);
    }
    for (title, more) in [("MORE", true), ("LESS", false)] {
        let differences = diff.differences.iter().filter(|difference| difference.more == more);
        let differences: Vec<_> = differences.collect();
        if !differences.is_empty() {
            let what = format!(
                "{} that the pace of the work does not explain",
                counted(differences.len() as u64, "figure")
            );
            page.section(title, Ink::Plain, &what);
            differences.into_iter().for_each(|difference| write(&mut page, difference));
        }
    }
    if diff.differences.is_empty() {
        page.line(Ink::Title, 0, &nothing(diff));
    }
    page.into_string()
}

fn write(page: &mut Page, difference: &Difference) {
    let width = page.width();
    page.line(if difference.more { Ink::Warn } else { Ink::Plain }, 2, &sentence(difference));
    if let Some(frame) = frame(difference) {
        page.line(Ink::Plain, 4, &format!("at {}", fit_place(&frame, width.saturating_sub(7))));
    }
}

fn side(side: &Side) -> String {
    let start = Sentence::new(side.start.split('.').next().unwrap_or_default().replace('T', " "));
    let samples = counted(side.samples, "sample");
    format!("{} from {start} UTC, {samples} at {} Hz", duration(side.duration_ns), count(side.rate_hz))
}

/// What the second run did of the first one's work by the second, unless as much.
pub fn pace(diff: &Diff) -> Option<String> {
    let differs = (diff.pace - 1.0).abs() >= 0.05;
    differs.then(|| {
        format!(
            "the second run did its work at {:.2} of the pace of the first: figures are beside that",
            diff.pace
        )
    })
}

/// That there is nothing.
pub fn nothing(diff: &Diff) -> String {
    format!("nothing differs: {} compared", counted(diff.compared, "figure"))
}

/// `CPU time: 121 ms/s before, 334 ms/s after (x 2.8)`
pub fn sentence(difference: &Difference) -> String {
    let what = difference.what.as_ref().map_or_else(String::new, |what| format!(" {what}"));
    let kind = match difference.kind {
        Kind::Cpu => "CPU time",
        Kind::Wait => "waits for",
        Kind::Reads => "reads of",
        Kind::Gc => "garbage collection",
        Kind::Signals => "signals",
        Kind::Zombies => "zombies",
        Kind::Orphans => "orphans",
    };
    let (before, after) = (rate(difference, difference.before), rate(difference, difference.after));
    let chance =
        if difference.p < 1e-6 { "p < 0.000001".to_owned() } else { format!("p = {:.6}", difference.p) };
    format!("{kind}{what}: {before} before, {after} after ({}{chance})", times(difference))
}

fn rate(difference: &Difference, value: f64) -> String {
    match difference.kind.is_time() {
        true => format!("{}/s", duration(value as u64)),
        false if value < 10.0 => format!("{value:.1}/s"),
        false => format!("{}/s", count(value as u64)),
    }
}

fn times(difference: &Difference) -> String {
    match difference.before > 0.0 && difference.after > 0.0 {
        true => format!("x {:.2}, ", difference.after / difference.before),
        false => String::new(),
    }
}

/// The line that it is at.
pub fn frame(difference: &Difference) -> Option<Frame> {
    let (function, file) = (difference.function.clone()?, difference.file.clone()?);
    Some(Frame { function, file, line: difference.line })
}
