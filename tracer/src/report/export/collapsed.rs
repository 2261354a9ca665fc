//! Collapsed stacks: a line a stack, outermost frame first, `;` between frames, then what it weighs.
//!
//! <https://github.com/brendangregg/FlameGraph#2-fold-stacks>

use super::weights::{Label, Measure, weights};
use crate::report::Report;

/// One measure of a report.
pub fn write(report: &Report, of: Measure) -> String {
    lines(report, of).into_iter().map(|(stack, value)| format!("{stack} {value}\n")).collect()
}

/// Stacks, and what they weigh. No two are the same, and none ends in a number, which would be taken for a weight.
pub fn lines(report: &Report, of: Measure) -> Vec<(String, u64)> {
    let mut lines = std::collections::BTreeMap::<String, u64>::new();
    for weight in weights(report, of) {
        let stack: Vec<_> = weight.labels().iter().map(frame).collect();
        *lines.entry(stack.join(";")).or_default() += weight.value;
    }
    lines.into_iter().collect()
}

/// A name may have what separates frames.
fn frame(label: &Label) -> String {
    label.to_string().replace(';', r"\x3b")
}
