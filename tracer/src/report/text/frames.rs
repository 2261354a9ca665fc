//! Where the time went: on-CPU from samples, off-CPU from switches.

use super::page::{Ink, Page};
use super::place::chain;
use super::table::{Cell, Column, Setting, Table};
use super::{ProcessLabels, and_more, is_worth};
use crate::report::{Bounded, Entries, EntryMetric, HotLine, HotStack, Pool, Report, Samples, pooled};
use crate::units::{count, counted, duration, percent};

const LINES_SHOWN: usize = 4;
const STACKS_SHOWN: usize = 1;
/// Of fewer samples a share says no more than their number.
const SIGNIFICANT: u64 = 20;
/// Of fewer that are expected some may be missing by chance.
const ENOUGH: u64 = 200;
const ENTRIES_SHOWN: usize = 8;
const COLUMNS: [Column; 4] = [
    ("on-CPU", Setting::Figure),
    ("incl. callees", Setting::Figure),
    ("off-CPU", Setting::Figure),
    ("line", Setting::Flexible),
];

pub fn write(page: &mut Page, report: &Report, processes: &ProcessLabels) {
    let frames = &report.frames;
    let taken = report.quality.samples.taken;
    if frames.hot.is_empty() && frames.stacks.is_empty() {
        page.section("FRAMES", Ink::Plain, &format!("none ({})", counted(taken, "sample")));
    } else if taken == 0 && !page.is_full() {
        // Where threads slept is among the switches.
        page.quiet_section("FRAMES", "0 samples");
    } else {
        page.section("FRAMES", Ink::Plain, &summary(frames.rate_hz, &report.quality.samples));
        write_lines(page, &pooled(&frames.hot, &processes.programs), taken, processes.several);
        write_stacks(page, &pooled(&frames.stacks, &processes.programs), taken);
    }
    if let Some(entries) = &frames.entries {
        write_entries(page, entries, processes.several);
    }
}

/// The rate that was reached is shown where a tenth of the samples is missing: a host that takes CPUs away takes their clocks.
pub(in crate::report) fn summary(rate_hz: u64, samples: &Samples) -> String {
    let &Samples { taken, expected, .. } = samples;
    let is_slow = expected >= ENOUGH && 10 * taken < 9 * expected;
    let rate = match is_slow {
        false => count(rate_hz),
        true => format!("{} of {}", count((rate_hz * taken + expected / 2) / expected), count(rate_hz)),
    };
    format!("{} at {rate} Hz; off-CPU times are measured, not sampled", counted(taken, "sample"))
}

fn write_lines(page: &mut Page, hot: &Bounded<Pool<HotLine>>, taken: u64, names_pids: bool) {
    if hot.is_empty() {
        return;
    }
    let is_worth = |pool: &Pool<HotLine>| is_worth(pool.row.total_samples, taken);
    let (shown, rest) = hot.dearest(page.most_of(LINES_SHOWN, &hot.rows, is_worth), |pool| {
        (pool.row.self_samples, pool.row.total_samples, pool.row.off_cpu_ns)
    });
    let mut table = Table::by_process(names_pids, COLUMNS);
    for Pool { row: line, pids } in shown {
        let own = share(line.self_samples, taken);
        let total = share(line.total_samples, taken);
        let figures = [own, total, duration(line.off_cpu_ns)].map(Cell::from);
        table.row_of_all(pids, Ink::Plain, figures.into_iter().chain([Cell::Place(line.frame.clone())]));
    }
    table.write(page);
    if let Some(rest) = rest {
        let on_cpu = share(rest.totals.self_samples, taken);
        and_more(
            page,
            rest.omitted,
            &format!("{on_cpu} on-CPU, {} off-CPU", duration(rest.totals.off_cpu_ns)),
        );
    }
}

fn share(samples: u64, taken: u64) -> String {
    match taken {
        0 => "-".to_owned(),
        1..SIGNIFICANT => format!("{samples} of {taken}"),
        _ => percent(samples, taken),
    }
}

fn write_stacks(page: &mut Page, stacks: &Bounded<Pool<HotStack>>, taken: u64) {
    // Where threads slept is among the switches, with what they slept for.
    let is_worth = |pool: &Pool<HotStack>| is_worth(pool.row.samples, taken);
    let most = page.most_of(STACKS_SHOWN, &stacks.rows, is_worth);
    let (shown, _) = stacks.dearest(most, |pool| (pool.row.samples, pool.row.off_cpu_ns));
    if !shown.is_empty() {
        page.line(Ink::Faint, 2, "stacks");
    }
    for Pool { row: stack, pids } in shown {
        let on_cpu = share(stack.samples, taken);
        let whose = thread(stack, pids.len());
        let lead = format!("{on_cpu} on-CPU, {} off-CPU, {whose}", duration(stack.off_cpu_ns));
        page.line(Ink::Plain, 2, &lead);
        for line in chain(&stack.stack, page.width() - 4, 2) {
            page.line(Ink::Plain, 4, &line);
        }
    }
}

/// A thread, or one in each of several processes.
fn thread(stack: &HotStack, processes: usize) -> String {
    let name = stack.thread_name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
    match processes {
        1 => format!("thread {}{name}", stack.tid),
        many => format!("threads{name} of {many} pids"),
    }
}

fn write_entries(page: &mut Page, entries: &Entries, names_pids: bool) {
    let metric = match entries.metric {
        EntryMetric::PythonCalls => "Python calls",
        EntryMetric::CToPythonEntries => "entries from C into Python",
    };
    let total = count(entries.rows.sum().totals.count);
    page.section(
        "CALLS",
        Ink::Plain,
        &format!("{total} {metric} in the {} that were counted", duration(entries.covered_ns)),
    );
    let (shown, rest) = entries.rows.top(page.most(ENTRIES_SHOWN));
    let mut table =
        Table::by_process(names_pids, [("count", Setting::Figure), ("function", Setting::Flexible)]);
    for row in shown {
        table.row_of(row.pid, Ink::Plain, [count(row.count).into(), Cell::Place(row.frame.clone())]);
    }
    if !shown.is_empty() {
        table.write(page);
    }
    if let Some(rest) = rest {
        and_more(page, rest.omitted, &count(rest.totals.count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_that_was_reached_is_reported_where_samples_are_missing() {
        for (taken, expected, rate) in
            [(997, 995, "99"), (901, 1_000, "99"), (750, 1_000, "74 of 99"), (7, 10, "99")]
        {
            let reported = summary(99, &Samples { taken, expected, ..Samples::default() });
            assert_eq!(
                reported,
                format!("{taken} samples at {rate} Hz; off-CPU times are measured, not sampled")
            );
        }
    }
}
