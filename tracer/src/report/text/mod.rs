//! The report as text: findings first, as sentences, then one section for each kind of fact, dearest first.

pub(in crate::report) mod findings;
pub(in crate::report) mod frames;
pub(in crate::report) mod gc;
pub(in crate::report) mod gil;
pub(crate) mod header;
mod loops;
pub(in crate::report) mod overhead;
pub(crate) mod page;
pub(crate) mod place;
pub(in crate::report) mod processes;
pub(in crate::report) mod quality;
pub(in crate::report) mod reads;
pub(in crate::report) mod signals;
pub(in crate::report) mod switches;
pub(crate) mod table;
pub(in crate::report) mod tree;

use super::{Programs, Report};
use crate::sections::Section;
use page::Page;

/// How text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour it.
    pub color: bool,
    /// Columns of the terminal; at most 100 of them are used.
    pub width: u16,
    /// Whether to show every row; else those that matter most.
    pub full: bool,
}

/// Whose rows there are.
pub(in crate::report) struct ProcessLabels {
    /// Whether there are several processes, so that rows have to say whose they are.
    several: bool,
    programs: Programs,
}

impl ProcessLabels {
    fn new(report: &Report) -> Self {
        Self { several: report.target.processes.sum().omitted > 1, programs: Programs::new(report) }
    }
}

/// The whole report.
pub fn render(report: &Report, style: Style) -> String {
    let processes = ProcessLabels::new(report);
    let mut page = Page::new(style);
    header::write(&mut page, report);
    findings::write(&mut page, report, processes.several);
    ordered(report).into_iter().for_each(|section| write(&mut page, report, section, &processes));
    page.write_quiet_sections();
    quality::write(&mut page, &report.quality);
    overhead::write(&mut page, report);
    page.into_string()
}

/// What somebody did comes first, if anybody did anything.
fn ordered(report: &Report) -> Vec<Section> {
    let mut sections = report.window.sections.clone();
    sections.sort_by_key(|section| match section {
        Section::Processes => report.processes.exited == 0 && report.processes.zombies.is_empty(),
        Section::Signals => !report.signals.rows.iter().any(signals::is_news),
        _ => true,
    });
    sections
}

fn write(page: &mut Page, report: &Report, section: Section, processes: &ProcessLabels) {
    let names_pids = processes.several;
    let caveat = |name| report.quality.sections.get(name)?.text.as_ref().map(ToString::to_string);
    page.warn_next(caveat(section.name()));
    match section {
        Section::Switches => {
            switches::write(page, report, processes);
            gil::write(page, report.gil.as_ref(), report.window.duration_ns, names_pids);
        }
        Section::Reads => {
            reads::write(page, report, processes);
            page.warn_next(caveat("loops").filter(|_| report.loops.is_some()));
            loops::write(page, report.loops.as_ref(), names_pids);
        }
        Section::Processes => processes::write(page, report),
        Section::Signals => signals::write(page, &report.signals),
        Section::Frames => frames::write(page, report, processes),
        Section::Gc => gc::write(page, report.gc.as_ref(), report.window.duration_ns, names_pids),
    }
}

/// Whether a row has a hundredth of the whole: less is worth no line of its own.
fn is_worth(part: u64, whole: u64) -> bool {
    part > 0 && part.saturating_mul(100) >= whole
}

/// What a list ends in when it is longer than what is shown of it.
fn and_more(page: &mut Page, omitted: u64, what: &str) {
    let rows = crate::units::count(omitted);
    page.line(page::Ink::Faint, 2, &format!("and {rows} more: {what}"));
}
