//! The sections of the page: for each kind of fact a sentence, and tables.

mod frames;
mod gc;
mod gil;
mod loops;
mod processes;
mod quality;
mod reads;
mod signals;
mod switches;

use super::table::Table;
use crate::report::Report;
use crate::sections::Section as Asked;

/// A part of the page.
pub struct Section<'a> {
    /// Where links lead.
    pub id: &'static str,
    /// Its head.
    pub title: &'static str,
    /// What there is, in a sentence.
    pub summary: String,
    /// How to read the tables.
    pub hint: &'static str,
    /// What its figures lack.
    pub caveats: Vec<String>,
    /// Those that have rows.
    pub tables: Vec<Table<'a>>,
}

impl<'a> Section<'a> {
    fn new(id: &'static str, title: &'static str, summary: String) -> Self {
        Self { id, title, summary, hint: "", caveats: Vec::new(), tables: Vec::new() }
    }

    fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    fn caveats(mut self, caveats: impl IntoIterator<Item = String>) -> Self {
        self.caveats.extend(caveats);
        self
    }

    fn tables(self, tables: impl IntoIterator<Item = Table<'a>>) -> Self {
        let tables = tables.into_iter().filter(|table| !table.is_empty()).collect();
        Self { tables, ..self }
    }
}

/// All that were asked for, with at most so many rows in a table.
pub fn sections(report: &Report, most: usize) -> Vec<Section<'_>> {
    let asked = report.window.sections.iter().flat_map(|section| match section {
        Asked::Switches => vec![Some(switches::section(report, most)), gil::section(report, most)],
        Asked::Reads => vec![Some(reads::section(report, most)), loops::section(report, most)],
        Asked::Processes => vec![Some(processes::section(report, most))],
        Asked::Signals => vec![Some(signals::section(report, most))],
        Asked::Frames => vec![Some(frames::section(report, most)), frames::calls(report, most)],
        Asked::Gc => vec![gc::section(report, most)],
    });
    let ends = [quality::section(report), quality::overhead(report)];
    asked.flatten().map(|section| with_losses(section, report)).chain(ends).collect()
}

/// What it lost is said before all else.
fn with_losses<'a>(mut section: Section<'a>, report: &Report) -> Section<'a> {
    let lost = report.quality.sections.get(section.id).and_then(|loss| loss.text.as_ref());
    section.caveats.splice(0..0, lost.map(ToString::to_string));
    section
}
