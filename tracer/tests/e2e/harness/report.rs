//! The report, and the laws that every report obeys.

use std::collections::BTreeMap;
use std::ops::Deref;

use serde_json::Value;

/// What is expected how often: two of them compare as a whole, and differ legibly.
pub type Tally = BTreeMap<String, u64>;

/// `tracer.report/1`
#[derive(Debug)]
pub struct Report(pub Value);

impl Deref for Report {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl Report {
    /// Hits that ended nowhere but in a counter of losses.
    pub fn lost(&self) -> u64 {
        let reasons = self["quality"]["lost"].as_object().expect("quality.lost is an object");
        reasons.values().map(number).sum()
    }

    /// Names and stacks that were to be sent, and did not arrive whole.
    pub fn records_lost(&self) -> u64 {
        let records = &self["quality"]["records"];
        number(&records["lost"]) + number(&records["corrupt"])
    }

    /// Each hit ended in exactly one place, each record too, and each sample; what was lost, some section lost.
    #[track_caller]
    pub fn assert_laws(&self) {
        let quality = &self["quality"];
        let of =
            |names: &[&str], object: &Value| names.iter().map(|&name| number(&object[name])).sum::<u64>();

        assert_eq!(
            number(&quality["hits"]),
            of(&["filtered", "emitted", "aggregated"], quality) + self.lost(),
            "hits == filtered + emitted + aggregated + lost: {quality}"
        );
        let sections = quality["sections"].as_object().expect("an object").values();
        let of_sections =
            sections.flat_map(|section| section["lost"].as_object().expect("an object").values());
        assert_eq!(of_sections.map(number).sum::<u64>(), self.lost(), "sections: {quality}");
        let records = &quality["records"];
        assert_eq!(
            number(&records["tried"]),
            of(&["decoded", "corrupt", "lost"], records),
            "records: {records}"
        );
        let samples = &quality["samples"];
        let ends = ["python", "no_python_frame", "faulted", "unresolved"];
        assert_eq!(number(&samples["taken"]), of(&ends, samples), "samples: {samples}");
        assert!(number(&samples["truncated"]) <= number(&samples["python"]), "samples: {samples}");
    }

    /// `window.ended`
    pub fn ended(&self) -> &str {
        text(&self["window"]["ended"])
    }

    /// End of the window, nanoseconds of `CLOCK_MONOTONIC`.
    pub fn end_monotonic_ns(&self) -> u64 {
        let window = &self["window"];
        number(&window["start_monotonic_ns"]) + number(&window["duration_ns"])
    }

    /// The traced processes by pid.
    pub fn process(&self, pid: u64) -> Option<&Value> {
        rows(&self["target"]["processes"]).find(|row| row["pid"] == pid)
    }
}

/// The rows of a list, without the last one that stands for what did not fit.
#[track_caller]
pub fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    let rows = list.as_array().unwrap_or_else(|| panic!("not a list: {list}"));
    rows.iter().filter(|row| row.get("omitted").is_none())
}

/// A count, an amount, a pid.
#[track_caller]
pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("not a number: {value}"))
}

/// A word.
#[track_caller]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}"))
}

/// A frame on one line; programs print frames in the same shape.
#[track_caller]
pub fn site(frame: &Value) -> String {
    format!("{} {}:{}", text(&frame["function"]), text(&frame["file"]), frame["line"])
}

/// A stack, innermost first; empty where there is none.
pub fn stack(frames: &Value) -> Vec<String> {
    frames.as_array().map(|frames| frames.iter().map(site).collect()).unwrap_or_default()
}

/// The same moment, nanoseconds of `CLOCK_MONOTONIC`, as an offset in the window.
pub fn in_window(report: &Report, monotonic_ns: u64) -> u64 {
    monotonic_ns - number(&report["window"]["start_monotonic_ns"])
}

/// The first finding, which says these things in this order.
#[track_caller]
pub fn assert_first(report: &Report, severity: &str, parts: &[&str]) {
    let first = rows(&report["findings"]).next().unwrap_or_else(|| panic!("nothing found: {parts:?}"));
    assert_eq!(first["severity"], severity, "{:#}", report["findings"]);
    let mut rest = text(&first["text"]);
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?}: {:#}", report["findings"]));
        rest = &rest[at + part.len()..];
    }
}
