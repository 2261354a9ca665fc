//! What to change.

use super::and_more;
use super::header::no_findings;
use super::page::{Ink, Page};
use super::place::fit_place;
use crate::report::{Finding, FindingKind, Frame, Report, Severity};

const SHOWN: usize = 6;
/// Columns of `  1  critical  `.
const INDENT: usize = 15;

pub fn write(page: &mut Page, report: &Report, names_pids: bool) {
    let findings = &report.findings;
    if findings.is_empty() {
        return page.section("FINDINGS", Ink::Plain, no_findings(&report.window));
    }
    page.blank();
    let (shown, rest) = findings.top(page.most(SHOWN));
    for (number, finding) in (1..).zip(shown) {
        write_finding(page, number, finding, names_pids);
    }
    if let Some(rest) = rest {
        and_more(page, rest.omitted, "--full shows them");
    }
}

fn write_finding(page: &mut Page, number: usize, finding: &Finding, names_pids: bool) {
    let (ink, word) = severity(finding.severity);
    let lead = format!("{number:>3}  {}  ", page.paint(ink, &format!("{word:<8}")));
    page.led(&lead, INDENT, Ink::Plain, finding.text.as_str());
    // Most sentences name their place.
    let named = finding.frame.as_ref().is_some_and(|frame| names(finding.text.as_str(), frame));
    if named {
        return;
    }
    if let Some(place) = place(finding, names_pids, page.width() - INDENT) {
        page.line(Ink::Plain, INDENT, &place);
    }
}

/// Whether a sentence has the file and line of a frame.
pub(in crate::report) fn names(text: &str, frame: &Frame) -> bool {
    let line = frame.line.map_or_else(String::new, |line| format!(":{line} "));
    text.contains(&format!("{}{line}", frame.file))
}

/// Whether a sentence has the number of a process.
fn names_process(text: &str, pid: u32) -> bool {
    let number = pid.to_string();
    text.split(|char: char| !char.is_ascii_digit()).any(|digits| digits == number)
}

fn place(finding: &Finding, names_pids: bool, width: usize) -> Option<String> {
    let pid = format!(" in pid {}", finding.pid);
    // Most sentences name the process, too.
    let is_of_all = matches!(finding.kind, FindingKind::Quality | FindingKind::RunQueue);
    let is_news = names_pids && !is_of_all && !names_process(finding.text.as_str(), finding.pid);
    let pid = if names_pids { pid } else { String::new() };
    match &finding.frame {
        Some(frame) => Some(format!("at {}{pid}", fit_place(frame, width.saturating_sub(3 + pid.len())))),
        None => is_news.then(|| pid.trim_start().to_string()),
    }
}

fn severity(severity: Severity) -> (Ink, &'static str) {
    match severity {
        Severity::Info => (Ink::Faint, "note"),
        Severity::Warn => (Ink::Warn, "warning"),
        Severity::Critical => (Ink::Critical, "critical"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_the_sentence_names_is_not_reported_again() {
        for (text, pid, expected) in [
            ("child 27 of pid 278 (python3) stayed a zombie", 278, true),
            ("child 27 of pid 2781 (python3) stayed a zombie", 278, false),
            ("nobody waits", 278, false),
        ] {
            assert_eq!(names_process(text, pid), expected, "{text}");
        }
    }
}
