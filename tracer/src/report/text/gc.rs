//! Pauses of the garbage collector.

use super::and_more;
use super::page::{Ink, Page};
use super::table::{Cell, Setting, Table};
use crate::report::{Gc, GcMethod, GcPauses};
use crate::units::{count, counted, duration, known};

const SHOWN: usize = 3;
/// Shorter pauses are noticed only where there are many.
const NOTICED_NS: u64 = 10_000_000;

/// Says nothing where pauses were not looked for.
pub fn write(page: &mut Page, gc: Option<&Gc>, window_ns: u64, names_pids: bool) {
    let Some(gc) = gc else { return };
    let (summary, totals) = (summary(gc), gc.pauses.sum().totals);
    if gc.pauses.is_empty() {
        return page.quiet_section("GC", &summary);
    }
    if !page.is_full() && totals.max_ns < NOTICED_NS && !super::is_worth(totals.total_ns, window_ns) {
        return page.quiet_section("GC", &summary);
    }
    page.section("GC", Ink::Plain, &summary);
    let (shown, rest) = gc.pauses.top(page.most(SHOWN));
    table(shown, names_pids).write(page);
    if let Some(rest) = rest {
        and_more(page, rest.omitted, &duration(rest.totals.total_ns));
    }
}

/// What there was, in a sentence.
pub(in crate::report) fn summary(gc: &Gc) -> String {
    let totals = gc.pauses.sum().totals;
    match totals.total_ns {
        _ if gc.pauses.is_empty() => none(gc),
        // A pause that one sample fell into has no length.
        0 => format!("{} sampled, too short to measure{}", counted(totals.count, "pause"), in_all(gc)),
        total => format!(
            "{} took {}, the longest {}{}",
            counted(totals.count, "pause"),
            duration(total),
            duration(totals.max_ns),
            caveat(gc)
        ),
    }
}

fn none(gc: &Gc) -> String {
    match gc.method {
        GcMethod::Probe => "no pauses".to_owned(),
        GcMethod::Sampled if gc.collections.is_empty() => {
            "no pause was sampled; short ones may be missed".to_owned()
        }
        GcMethod::Sampled => format!("no pause was sampled{}", in_all(gc)),
    }
}

fn caveat(gc: &Gc) -> String {
    match gc.method {
        GcMethod::Probe => String::new(),
        GcMethod::Sampled => format!("; sampled, real figures are higher{}", in_all(gc)),
    }
}

/// What the collectors count themselves, where not each pause was seen. They are asked once a second, and short lives may
/// end before that.
fn in_all(gc: &Gc) -> String {
    let totals = gc.collections.sum().totals;
    if gc.collections.is_empty() || totals.count < gc.pauses.sum().totals.count {
        return String::new();
    }
    format!("; in all {} freed {}", counted(totals.count, "collection"), counted(totals.collected, "object"))
}

fn table(pauses: &[GcPauses], names_pids: bool) -> Table {
    let mut table = Table::by_process(
        names_pids,
        [
            ("generation", Setting::Figure),
            ("pauses", Setting::Figure),
            ("total", Setting::Figure),
            ("longest", Setting::Figure),
            ("freed", Setting::Figure),
            ("GIL waiters", Setting::Figure),
            ("started by", Setting::Flexible),
        ],
    );
    for row in pauses {
        let figures = [
            known(row.generation.map(|generation| generation.to_string())),
            count(row.count),
            duration(row.total_ns),
            duration(row.max_ns),
            known(row.collected.map(count)),
            known(row.waiters.map(count)),
        ];
        let line = Cell::place(row.started_by.as_ref());
        table.row_of(row.pid, Ink::Plain, figures.map(Cell::from).into_iter().chain([line]));
    }
    table
}
