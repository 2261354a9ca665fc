//! The figures of all cases that have been measured, as a table for people: the README has one of these.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::cases::CASES;

/// What is reported of a contender, and in which unit.
const COLUMNS: [(&str, &str, &str); 10] = [
    ("throughput_ratio", "throughput", ""),
    ("fastest_ratio", "fastest 20 ms", ""),
    ("per_cpu_ratio", "per CPU second", ""),
    ("cpu_per_unit_ratio", "CPU per operation", ""),
    ("host_per_unit_ratio", "of the host", ""),
    ("cores", "cores", ""),
    ("peak_mb", "memory", " MB"),
    ("attached_ms", "attached", " ms"),
    ("first_sample_ms", "first sample", " ms"),
    ("distance", "distance", ""),
];

/// A table in Markdown, made of the files in this folder.
pub fn markdown(folder: &Path) -> String {
    let titles = COLUMNS.map(|(_, title, _)| title).join(" | ");
    let mut text = format!("| case | who | {titles} |\n|---|---|{}\n", "---|".repeat(COLUMNS.len()));
    for case in CASES {
        let file = fs::read_to_string(folder.join(format!("{}.json", case.name))).unwrap_or_default();
        let measured: Value = serde_json::from_str(&file).unwrap_or_default();
        for row in measured["rows"].as_array().into_iter().flatten().filter(|row| !is_base(row)) {
            let figures = COLUMNS.map(|(key, _, unit)| between(&row[key], unit)).join(" | ");
            let who = row["contender"].as_str().unwrap_or_default();
            let _ = writeln!(text, "| {} | {who} | {figures} |", case.name); // to a string: never fails
        }
    }
    text
}

fn is_base(row: &Value) -> bool {
    row["contender"] == "untraced"
}

/// The median, and where the true one lies, if that is known.
fn between(measured: &Value, unit: &str) -> String {
    let median = figure(&measured["median"], unit);
    let [from, to] = [0, 1].map(|end| figure(&measured["interval"][end], ""));
    if from == "-" { median } else { format!("{median} ({from} to {to})") }
}

/// Three digits that matter, `-` for what was not measured.
fn figure(value: &Value, unit: &str) -> String {
    match value.as_f64() {
        None => "-".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}{unit}"),
        Some(value) if value >= 10.0 => format!("{value:.1}{unit}"),
        Some(value) if value >= 0.1 => format!("{value:.2}{unit}"),
        Some(value) => format!("{value:.4}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contender_but_the_base_has_a_row() {
        let folder = std::env::temp_dir().join(format!("xtask-summary-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let rows = r#"{"rows": [{"contender": "untraced"}, {"contender": "tracer", "cores":
                {"median": 0.0123, "interval": [0.011, 0.02]}}]}"#;
        fs::write(folder.join("idle.json"), rows).unwrap();
        let text = markdown(&folder);
        fs::remove_dir_all(folder).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(
            text.contains("| idle | tracer | - | - | - | - | - | 0.0123 (0.0110 to 0.0200) | - |"),
            "{text}"
        );
    }
}
