//! Reads: how many, how large, and what they cost in switches.

use std::collections::BTreeMap;

use super::and_more;
use super::page::{Ink, Page};
use super::pool::{Pool, Processes, pooled};
use super::table::{Cell, Setting, Table};
use crate::report::{Bounded, Read};
use crate::units::{bytes, count, counted, duration, known};

const SHOWN: usize = 6;
/// Fewer calls are not worth a note that nothing can be done about them.
const MANY: u64 = 100;
const UNSEEN: &str = "mmap, sendfile, splice and io_uring are not seen";

pub fn write(page: &mut Page, reads: &Bounded<Read>, processes: &Processes<'_>) {
    if reads.is_empty() {
        return page.quiet_section("READS", &format!("none seen ({UNSEEN})"));
    }
    let totals = reads.sum().totals;
    let summary = format!("{} returned {}", counted(totals.syscalls, "call"), bytes(totals.bytes));
    page.section("READS", Ink::Plain, &summary);
    page.prose(Ink::Faint, 2, UNSEEN);
    let reads = pooled(reads, processes);
    let (shown, rest) = reads.dearest(page.most(SHOWN), |pool| pool.row.cost_ns());
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
            ("EOFs", Setting::Figure),
            ("switches", Setting::Figure),
            ("GIL switches", Setting::Figure),
        ],
    );
    for Pool { row: read, pids } in reads {
        table.row_of_all(pids, Ink::Plain, cells(read));
        table.stack(page, if read.sampled { "often at" } else { "at" }, read.stack.as_ref());
        notes(read).into_iter().flatten().for_each(|note| table.note(Ink::Faint, note));
    }
    table
}

fn cells(read: &Read) -> [Cell; 7] {
    [
        Cell::Path(String::new(), read.path.to_string()),
        count(read.syscalls).into(),
        known(median(&read.requested).map(bytes)).into(),
        bytes(read.bytes).into(),
        count(read.eof).into(),
        count(read.voluntary_switches + read.involuntary_switches).into(),
        known(read.gil_switches.map(count)).into(),
    ]
}

fn notes(read: &Read) -> [Option<String>; 3] {
    let gil = read.gil_wait_ns.filter(|wait| *wait > 0);
    [
        read.advice.as_ref().map(|advice| advice.text.to_string()).or_else(|| nothing_to_win(read)),
        gil.map(|wait| format!("afterwards waited {} to get the GIL back", duration(wait))),
        (!read.errors.is_empty()).then(|| format!("failed: {}", errors(&read.errors))),
    ]
}

/// So that nobody looks further, where there are calls enough to look at.
fn nothing_to_win(read: &Read) -> Option<String> {
    let has_none = read.avoidable == Some(0) && read.syscalls >= MANY;
    has_none.then(|| "a larger buffer would save no call".to_owned())
}

fn errors(errors: &BTreeMap<String, u64>) -> String {
    let each: Vec<String> =
        errors.iter().map(|(errno, calls)| format!("{errno} {}", count(*calls))).collect();
    each.join(", ")
}

/// The size that half of the calls stay within.
fn median(sizes: &BTreeMap<u64, u64>) -> Option<u64> {
    let calls: u64 = sizes.values().sum();
    let mut seen = 0;
    sizes.iter().find_map(|(size, calls_of_size)| {
        seen += calls_of_size;
        (seen * 2 >= calls).then_some(*size)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_by_calls() {
        for (sizes, expected) in [
            (vec![], None),
            (vec![(16, 1)], Some(16)),
            (vec![(16, 1), (4096, 1)], Some(16)),
            (vec![(16, 1), (1024, 5), (65536, 3)], Some(1024)),
        ] {
            assert_eq!(median(&sizes.into_iter().collect()), expected);
        }
    }
}
