//! What to change, and the rows that prove it.

use super::sections::Section;
use super::table::{Table, TableRow};
use crate::report::text::findings::names;
use crate::report::text::place::place;
use crate::report::{Evidence, Fact, Finding, FindingKind, Severity};
use crate::units::{count, duration};

/// Rows that a finding leads to; the first ones are the dearest.
const LINKS: usize = 6;

/// A finding, as the page shows it.
pub struct Shown<'a> {
    /// As the report has it.
    pub finding: &'a Finding,
    /// `critical`, `warning`, `note`
    pub severity: &'static str,
    /// A shape for it, so that colour is not all.
    pub mark: &'static str,
    /// The line to change, where the sentence does not name it.
    pub line: Option<String>,
    /// Rows and sections that prove it.
    pub links: Vec<Link>,
    /// Further rows.
    pub more: usize,
    /// Its figures, by name.
    pub figures: Vec<(String, String)>,
}

/// Where to look.
pub struct Link {
    /// `#causes-3`
    pub to: String,
    /// `Causes of switches, row 4`
    pub text: String,
}

/// What a finding says, and where that is to be seen.
pub fn shown<'a>(finding: &'a Finding, sections: &[Section<'_>]) -> Shown<'a> {
    let (severity, mark) = match finding.severity {
        Severity::Info => ("note", "●"),
        Severity::Warn => ("warning", "▲"),
        Severity::Critical => ("critical", "◆"),
    };
    let (mut links, mut more) = rows(finding, sections);
    if links.is_empty() {
        let at = home(finding.kind);
        links.extend(sections.iter().filter(|section| section.id == at).map(to_section));
        more = 0;
    }
    Shown {
        finding,
        severity,
        mark,
        line: finding.frame.as_ref().filter(|frame| !names(finding.text.as_str(), frame)).map(place),
        links,
        more,
        figures: figures(&finding.evidence),
    }
}

/// The tables that have what a finding is about, the best first.
fn tables(kind: FindingKind) -> &'static [&'static str] {
    use FindingKind::*;
    match kind {
        SmallReads => &["read-rows"],
        Zombie => &["zombies"],
        Orphan => &["orphans"],
        SignalDelay => &["signal-rows"],
        SignalKill | ProcessEnd => &["signal-rows", "kills", "traced"],
        Gil => &["gil-holders", "gil-blocked", "causes"],
        Lock | Stuck => &["causes"],
        GcPause => &["gc-pauses"],
        LoopBlocked => &["loop-rows"],
        ChildPoll | HotLine => &["hot-lines"],
        RunQueue | Quality => &[],
    }
}

/// The section to read where no single row proves it.
fn home(kind: FindingKind) -> &'static str {
    use FindingKind::*;
    match kind {
        SmallReads => "reads",
        Zombie | Orphan | ProcessEnd => "processes",
        SignalDelay | SignalKill => "signals",
        Gil => "gil",
        Lock | Stuck | RunQueue => "switches",
        GcPause => "gc",
        LoopBlocked => "loops",
        ChildPoll | HotLine => "frames",
        Quality => "quality",
    }
}

fn rows(finding: &Finding, sections: &[Section<'_>]) -> (Vec<Link>, usize) {
    let all = || sections.iter().flat_map(|section| &section.tables);
    let of = tables(finding.kind).iter().filter_map(|id| all().find(|table| table.id == *id));
    let mut links: Vec<Link> = of.flat_map(|table| proofs(finding, table)).collect();
    let more = links.len().saturating_sub(LINKS);
    links.truncate(LINKS);
    (links, more)
}

fn proofs(finding: &Finding, table: &Table<'_>) -> Vec<Link> {
    let found = |by_line: bool| -> Vec<usize> {
        let rows = table.rows.iter().enumerate();
        rows.filter(|(_, row)| proves(finding, table.id, row, by_line)).map(|(at, _)| at).collect()
    };
    // The line of some findings is where a signal came from or a process ended: nothing in a row.
    let by_line = found(true);
    let found = if by_line.is_empty() && proved_by_more(finding) { found(false) } else { by_line };
    found.into_iter().enumerate().map(|(number, at)| to_row(table, at, number == 0)).collect()
}

/// Whether a finding names a moment or a file, beside its line.
fn proved_by_more(finding: &Finding) -> bool {
    finding.frame.is_none() || ["at_ns", "path"].iter().any(|name| finding.evidence.contains_key(*name))
}

fn proves(finding: &Finding, table: &str, row: &TableRow<'_>, by_line: bool) -> bool {
    let has_pid = row.pids.iter().any(|pid| pids(finding).contains(pid));
    let has_line = !by_line || finding.frame.as_ref().is_none_or(|frame| row.frames.contains(&frame));
    let has_cause = table != "causes" || is_cause(finding, &row.about);
    has_pid && has_line && has_cause && is_of_moment(finding, row) && is_of_file(finding, row)
}

fn pids(finding: &Finding) -> Vec<u32> {
    match finding.evidence.get("pids") {
        Some(Fact::Pids(pids)) => pids.clone(),
        _ => vec![finding.pid],
    }
}

/// Switches of the cause that the finding is about.
fn is_cause(finding: &Finding, cause: &str) -> bool {
    match (finding.kind, finding.evidence.get("cause")) {
        (FindingKind::Gil, _) => cause == "gil",
        (_, Some(Fact::Name(name))) => name.as_bytes() == cause.as_bytes(),
        (FindingKind::Lock, _) => cause == "lock",
        _ => true,
    }
}

/// From the first to the last moment that the finding names, if it names any.
fn is_of_moment(finding: &Finding, row: &TableRow<'_>) -> bool {
    let (Some(first), Some(at)) = (moment(finding, "at_ns"), row.at_ns) else { return true };
    let last = moment(finding, "last_at_ns").unwrap_or(first);
    (first..=last).contains(&at)
}

fn moment(finding: &Finding, name: &str) -> Option<u64> {
    match finding.evidence.get(name)? {
        Fact::Count(at) => Some(*at),
        _ => None,
    }
}

fn is_of_file(finding: &Finding, row: &TableRow<'_>) -> bool {
    match finding.evidence.get("path") {
        Some(Fact::Name(path)) => path.to_string() == row.about,
        _ => true,
    }
}

/// The first link to a table says which.
fn to_row(table: &Table<'_>, at: usize, is_first: bool) -> Link {
    let title = if is_first { format!("{}, ", table.title) } else { String::new() };
    Link { to: format!("#{}-{at}", table.id), text: format!("{title}row {}", at + 1) }
}

fn to_section(section: &Section<'_>) -> Link {
    Link { to: format!("#{}", section.id), text: section.title.to_owned() }
}

fn figures(evidence: &Evidence) -> Vec<(String, String)> {
    let figure = |(name, fact): (&String, &Fact)| Some((label(name), value(name, fact)?));
    evidence.iter().filter_map(figure).collect()
}

/// `off_cpu_ns` is shown as `off cpu`, in a unit.
fn label(name: &str) -> String {
    name.strip_suffix("_ns").unwrap_or(name).replace('_', " ")
}

/// Stacks are in the rows.
fn value(name: &str, fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Fact::Count(ns) if name.ends_with("_ns") => duration(*ns),
        Fact::Count(pid) if name.ends_with("pid") || name.ends_with("tid") || name == "pgid" => {
            pid.to_string()
        }
        Fact::Count(number) => count(*number),
        Fact::Number(number) => format!("{number:.3}"),
        Fact::Name(name) => name.to_string(),
        Fact::Pids(pids) => pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", "),
        Fact::Stack(_) | Fact::Unknown => return None,
    })
}
