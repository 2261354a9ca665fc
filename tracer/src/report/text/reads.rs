//! Reads: how many, how large, and what they cost in switches.

use std::collections::BTreeMap;

use super::page::{Ink, Page};
use super::table::{Cell, Setting, Table};
use super::{ProcessLabels, and_more, is_worth};
use crate::report::{Pool, Read, Report, pooled};
use crate::units::{bytes, count, counted, duration, known};

const SHOWN: usize = 3;
/// Fewer calls are not worth a note that nothing can be done about them.
const MANY: u64 = 100;
pub(in crate::report) const UNSEEN: &str = "mmap, io_uring and copy_file_range are not seen";

pub fn write(page: &mut Page, report: &Report, processes: &ProcessLabels) {
    let reads = &report.reads;
    if reads.is_empty() {
        return page.quiet_section("READS", &format!("none seen ({UNSEEN})"));
    }
    let totals = reads.sum().totals;
    let summary = format!("{} returned {}", counted(totals.syscalls, "call"), bytes(totals.bytes));
    let pools = pooled(reads, &processes.programs);
    let busy_ns = report.switches.on_cpu_ns.clamp(1, report.window.duration_ns.max(1));
    let is_worth = |pool: &Pool<Read>| pool.row.advice.is_some() || is_worth(pool.row.cost_ns(), busy_ns);
    if !page.is_full() && !pools.rows.iter().any(is_worth) {
        return page.quiet_section("READS", &format!("{summary}, at little cost"));
    }
    page.section("READS", Ink::Plain, &summary);
    if page.is_full() {
        page.prose(Ink::Faint, 2, UNSEEN);
    }
    let most = page.most_of(SHOWN, &pools.rows, is_worth);
    let (shown, rest) = pools.dearest(most, |pool| (is_worth(pool), pool.row.cost_ns()));
    table(page, &shown, processes.several).write(page);
    if let Some(rest) = rest {
        let totals = rest.totals;
        and_more(
            page,
            rest.omitted,
            &format!("{}, {}", counted(totals.syscalls, "call"), bytes(totals.bytes)),
        );
    }
}

fn table(page: &Page, reads: &[&Pool<Read>], names_pids: bool) -> Table {
    let mut table = Table::by_process(
        names_pids,
        [
            ("path", Setting::Flexible),
            ("calls", Setting::Figure),
            ("asked/call", Setting::Figure),
            ("bytes", Setting::Figure),
            ("empty reads", Setting::Figure),
            ("switches", Setting::Figure),
            ("GIL switches", Setting::Figure),
        ],
    );
    for Pool { row: read, pids } in reads {
        table.row_of_all(pids, Ink::Plain, cells(read));
        table.stack(page, if read.sampled { "mostly at" } else { "at" }, read.stack.as_ref());
        notes(page, read).into_iter().flatten().for_each(|note| table.note(Ink::Faint, note));
    }
    table
}

fn cells(read: &Read) -> [Cell; 7] {
    [
        Cell::Path(String::new(), read.path.to_string()),
        count(read.syscalls).into(),
        known(usual(read).map(sizes)).into(),
        bytes(read.bytes).into(),
        count(read.eof).into(),
        count(read.voluntary_switches + read.involuntary_switches).into(),
        known(read.gil_switches.map(count)).into(),
    ]
}

fn notes(page: &Page, read: &Read) -> [Option<String>; 4] {
    // The finding has it.
    let advice = read.advice.as_ref().filter(|_| page.is_full()).map(|advice| advice.text.to_string());
    let gil = read.gil_wait_ns.filter(|wait| *wait > 0);
    [
        advice.or_else(|| nothing_to_win(read)),
        gil.map(|wait| format!("then waited {} for the GIL", duration(wait))),
        (!read.errors.is_empty()).then(|| format!("failed: {}", errors(&read.errors))),
        (read.sizes_unknown > 0).then(|| sizes_unknown(read.sizes_unknown)),
    ]
}

/// So that nobody looks further, where there are calls enough to matter.
pub(in crate::report) fn nothing_to_win(read: &Read) -> Option<String> {
    let has_none = read.avoidable == Some(0) && read.syscalls >= MANY;
    has_none.then(|| "a larger buffer would save no call".to_owned())
}

fn sizes_unknown(calls: u64) -> String {
    format!(
        "how large {} were is not known: too many different sizes at a time; try --room 4",
        counted(calls, "call")
    )
}

pub(in crate::report) fn errors(errors: &BTreeMap<String, u64>) -> String {
    let each: Vec<String> =
        errors.iter().map(|(errno, calls)| format!("{errno} {}", count(*calls))).collect();
    each.join(", ")
}

/// `64 B`, or `5 … 64 B`
pub(in crate::report) fn sizes((least, most): (u64, u64)) -> String {
    if least == most { bytes(most) } else { format!("{} … {}", bytes(least), bytes(most)) }
}

/// What was asked for: the median, if eight of ten calls ask for less than twice as much and more than half of that; else
/// the smallest and the largest size of these eight.
pub(in crate::report) fn usual(read: &Read) -> Option<(u64, u64)> {
    let (least, median, most) = (read.asked(10)?, read.asked(50)?, read.asked(90)?);
    let is_one = median < 2 * least && most < 2 * median;
    Some(if is_one { (median, median) } else { (least, most) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_one_or_those_of_eight_in_ten_calls() {
        for (sizes, expected) in [
            (vec![], None),
            (vec![(16, 1)], Some((16, 16))),
            (vec![(16, 1), (4096, 1)], Some((16, 4096))),
            (vec![(16, 1), (1024, 98), (65536, 1)], Some((1024, 1024))),
            (vec![(600, 30), (1024, 50), (1500, 20)], Some((1024, 1024))),
            (vec![(5, 50), (64, 50)], Some((5, 64))),
            (vec![(0, 50), (64, 50)], Some((0, 64))),
        ] {
            let requested = sizes.into_iter().collect();
            assert_eq!(usual(&Read { requested, ..Read::default() }), expected);
        }
    }
}
