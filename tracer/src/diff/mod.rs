//! Two reports compared: what the second run has more of, or less, than chance explains.
//!
//! Everything is by the second of its window, and samples by the rate they were taken at. A program that got slower does
//! less of everything else, too; so what both runs have in common is the pace of their work, and the pace that leaves
//! the fewest differences explains most (`pace`).

pub mod markdown;
mod model;
mod pace;
mod rows;
mod significance;
pub mod text;

pub use model::{Diff, Difference, Kind, Schema, Side};

use crate::report::Report;

/// Compares two runs.
#[must_use]
pub fn diff(before: &Report, after: &Report) -> Diff {
    let rows = rows::rows(before, after);
    let found = pace::fit(&rows);
    let mut differences: Vec<_> =
        found.named.iter().map(|&(index, p)| rows[index].difference(p, found.pace)).collect();
    differences.sort_by(|a, b| b.weight().total_cmp(&a.weight()));
    Diff {
        schema: Schema,
        before: Side::from_report(before),
        after: Side::from_report(after),
        pace: found.pace,
        compared: rows.len() as u64,
        differences,
    }
}

#[cfg(test)]
mod tests;
