//! The report as JSON.

use serde::Serialize;

use super::Report;

/// How JSON is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One line, for programs.
    Compact,
    /// Indented, for a terminal.
    Pretty,
}

/// The report as one object, and a line break.
pub fn to_string(report: &Report, layout: Layout) -> String {
    match layout {
        Layout::Compact => line(serde_json::to_string(report)),
        Layout::Pretty => line(serde_json::to_string_pretty(report)),
    }
}

/// The report as the last line of `--jsonl`: the same object with `"kind": "report"` in front.
pub fn to_event(report: &Report) -> String {
    line(serde_json::to_string(&Event { kind: "report", report }))
}

#[derive(Serialize)]
struct Event<'a> {
    kind: &'static str,
    #[serde(flatten)]
    report: &'a Report,
}

fn line(json: serde_json::Result<String>) -> String {
    json.expect("every key of a report is a string or a whole number") + "\n"
}
