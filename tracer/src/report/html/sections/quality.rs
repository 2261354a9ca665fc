//! What was not seen, and what tracing cost.

use super::Section;
use crate::report::html::table::{Cell, Column, Table, TableRow};
use crate::report::text::overhead::{memory, times};
use crate::report::text::quality::{losses, samples};
use crate::report::{ProgramTime, Report, Shed};

const HINT: &str =
    "Each run of a probe is counted once, and ends in one place: filtered, emitted, aggregated or lost.";

pub fn section(report: &Report) -> Section<'_> {
    let quality = &report.quality;
    let lost: u64 = quality.lost.values().sum();
    let missed = (quality.kernel_missed > 0).then(|| {
        format!(
            "The kernel skipped {} runs of probes: counts are too low by up to as many.",
            quality.kernel_missed
        )
    });
    let summary = format!("{}; {}", losses(quality, lost), samples(&quality.samples));
    Section::new("quality", "Quality", summary).hint(HINT).caveats(missed).tables([ledger(report)])
}

/// Where hits and records ended.
fn ledger(report: &Report) -> Table<'_> {
    let quality = &report.quality;
    let records = quality.records;
    let ends = [
        ("hits", quality.hits),
        ("filtered: of other processes, or not of interest", quality.filtered),
        ("emitted: sent as an event", quality.emitted),
        ("aggregated: added to a row", quality.aggregated),
    ];
    let lost =
        quality.lost.iter().map(|(reason, hits)| (format!("lost: {}", reason.replace('_', " ")), *hits));
    let names = [
        ("names and stacks: sent", records.tried),
        ("names and stacks: read", records.decoded),
        ("names and stacks: corrupt", records.corrupt),
        ("names and stacks: lost", records.lost),
    ];
    let words = |(what, count): (&str, u64)| (what.to_owned(), count);
    let rows = ends.into_iter().map(words).chain(lost).chain(names.into_iter().map(words));
    plain(
        ("ledger", "Where each hit ended"),
        &[("", false), ("count", true)],
        rows.map(|(what, count)| vec![Cell::word(what), Cell::count(count)]),
    )
}

pub fn overhead(report: &Report) -> Section<'_> {
    let overhead = &report.overhead;
    let run_ns = report.window.duration_ns + overhead.attach_ns;
    let summary = format!("{}; {}", times(overhead, run_ns), memory(overhead));
    Section::new("overhead", "Overhead", summary)
        .hint("What this run cost: the probes, the traps of breakpoints, and tracer itself.")
        .tables([programs(&overhead.programs), shed(&overhead.shed.rows)])
}

fn programs(programs: &[ProgramTime]) -> Table<'_> {
    let longest = programs.iter().map(|program| program.run_ns).max().unwrap_or_default();
    plain(
        ("programs", "Probes"),
        &[("probe", false), ("runs", true), ("run time", true), ("traps", true)],
        programs.iter().map(|program| {
            let run = Cell::duration(program.run_ns).share_of(longest);
            vec![Cell::word(&program.name), Cell::count(program.runs), run, Cell::duration(program.trap_ns)]
        }),
    )
}

fn shed(shed: &[Shed]) -> Table<'_> {
    plain(
        ("shed", "Given up to stay within the budget"),
        &[("from", true), ("what", false), ("why", false)],
        shed.iter()
            .map(|shed| vec![Cell::duration(shed.at_ns), Cell::word(&shed.what), Cell::word(&shed.why)]),
    )
}

/// A table whose rows are not to be added up.
fn plain<'a>(
    (id, title): (&'static str, &'static str),
    columns: &[(&'static str, bool)],
    rows: impl Iterator<Item = Vec<Cell>>,
) -> Table<'a> {
    let columns = columns.iter().map(|&(label, is_figure)| Column { label, is_figure }).collect();
    let rows = rows.map(|cells| TableRow { cells, ..TableRow::default() }).collect();
    Table { id, title, columns, rows, rest: None, all: None }
}
