//! The report as text: findings first, as sentences, then one section for each kind of fact, dearest first.

mod findings;
mod frames;
mod gc;
mod gil;
pub(crate) mod header;
mod loops;
mod overhead;
pub(crate) mod page;
pub(crate) mod place;
mod processes;
mod quality;
mod reads;
mod signals;
mod switches;
pub(crate) mod table;
mod tree;

use super::Report;
use crate::sections::Section;
use page::Page;

/// How text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour it.
    pub color: bool,
    /// Columns of the terminal; at most 100 of them are used.
    pub width: u16,
}

/// The whole report.
pub fn render(report: &Report, style: Style) -> String {
    let names_pids = report.target.processes.sum().omitted > 1;
    let mut page = Page::new(style);
    header::write(&mut page, report);
    findings::write(&mut page, &report.findings, names_pids);
    report.window.sections.iter().for_each(|section| write(&mut page, report, *section, names_pids));
    quality::write(&mut page, &report.quality);
    overhead::write(&mut page, report);
    page.into_string()
}

fn write(page: &mut Page, report: &Report, section: Section, names_pids: bool) {
    match section {
        Section::Switches => {
            switches::write(page, report, names_pids);
            gil::write(page, report.gil.as_ref(), names_pids);
        }
        Section::Reads => {
            reads::write(page, &report.reads, names_pids);
            loops::write(page, report.loops.as_ref(), names_pids);
        }
        Section::Processes => processes::write(page, report),
        Section::Signals => signals::write(page, &report.signals),
        Section::Frames => frames::write(page, report, names_pids),
        Section::Gc => gc::write(page, report.gc.as_ref(), names_pids),
    }
}

/// What a list ends in when it is longer than what is shown of it.
fn and_more(page: &mut Page, omitted: u64, what: &str) {
    let rows = crate::units::count(omitted);
    page.line(page::Ink::Faint, 2, &format!("and {rows} more: {what}"));
}
