//! Where the time went: on-CPU from samples, off-CPU from switches.

use super::and_more;
use super::page::{Ink, Page};
use super::place::chain;
use super::table::{Cell, Column, Setting, Table};
use crate::report::{Bounded, Entries, EntryMetric, Frames, HotLine, HotStack, Report};
use crate::units::{count, counted, duration, percent};

const LINES_SHOWN: usize = 12;
const STACKS_SHOWN: usize = 5;
const ENTRIES_SHOWN: usize = 8;
const COLUMNS: [Column; 4] = [
    ("on-CPU", Setting::Figure),
    ("with callees", Setting::Figure),
    ("off-CPU", Setting::Figure),
    ("line", Setting::Flexible),
];

pub fn write(page: &mut Page, report: &Report, names_pids: bool) {
    let frames = &report.frames;
    let taken = report.quality.samples.taken;
    if frames.hot.is_empty() && frames.stacks.is_empty() {
        page.section("FRAMES", Ink::Plain, &format!("none: {}", counted(taken, "sample")));
    } else {
        page.section("FRAMES", Ink::Plain, &summary(frames, taken));
        write_lines(page, &frames.hot, taken, names_pids);
        write_stacks(page, &frames.stacks, taken);
    }
    if let Some(entries) = &frames.entries {
        write_entries(page, entries, names_pids);
    }
}

fn summary(frames: &Frames, taken: u64) -> String {
    format!("{} at {} Hz; off-CPU time from switches", counted(taken, "sample"), count(frames.rate_hz))
}

fn write_lines(page: &mut Page, hot: &Bounded<HotLine>, taken: u64, names_pids: bool) {
    if hot.is_empty() {
        return;
    }
    let (shown, rest) = hot.top(LINES_SHOWN);
    let mut table = Table::by_process(names_pids, COLUMNS);
    for line in shown {
        let own = percent(line.self_samples, taken);
        let total = percent(line.total_samples, taken);
        let figures = [own, total, duration(line.off_cpu_ns)].map(Cell::from);
        table.row_of(line.pid, Ink::Plain, figures.into_iter().chain([Cell::Place(line.frame.clone())]));
    }
    table.write(page);
    if let Some(rest) = rest {
        let on_cpu = percent(rest.totals.self_samples, taken);
        and_more(
            page,
            rest.omitted,
            &format!("{on_cpu} on-CPU, {} off-CPU", duration(rest.totals.off_cpu_ns)),
        );
    }
}

fn write_stacks(page: &mut Page, stacks: &Bounded<HotStack>, taken: u64) {
    let (shown, _) = stacks.top(STACKS_SHOWN);
    if !shown.is_empty() {
        page.line(Ink::Faint, 2, "stacks");
    }
    for stack in shown {
        let on_cpu = percent(stack.samples, taken);
        let lead = format!("{on_cpu} on-CPU, {} off-CPU, {}", duration(stack.off_cpu_ns), thread(stack));
        page.line(Ink::Plain, 2, &lead);
        for line in chain(&stack.stack, page.width() - 4, 2) {
            page.line(Ink::Plain, 4, &line);
        }
    }
}

fn thread(stack: &HotStack) -> String {
    let name = stack.thread_name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
    let task = stack.task.as_ref().map_or_else(String::new, |task| format!(", task {task}"));
    format!("thread {}{name}{task}", stack.tid)
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
    let (shown, rest) = entries.rows.top(ENTRIES_SHOWN);
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
