//! Processes that the garbage collector paused.

use super::{Found, grouped, own, place, process};
use crate::report::{FindingKind, Frame, GcPauses, Report, Severity};
use crate::units::{count, counted, duration};

/// Somebody who waits notices.
const LONG_NS: u64 = 50_000_000;
const VERY_LONG_NS: u64 = 100_000_000;
/// Looking at an object takes the collector no longer.
const OBJECT_NS: u64 = 200;
/// `gc.freeze`: <https://docs.python.org/3/library/gc.html#gc.freeze>
const FREEZES: (u32, u32) = (3, 7);

/// What the collector did to each process.
pub fn gc_pauses(report: &Report) -> Vec<Found> {
    let pauses = report.gc.iter().flat_map(|gc| &gc.pauses.rows);
    grouped(pauses, |row| row.pid).iter().filter_map(|rows| pauses_of(report, rows)).collect()
}

fn pauses_of(report: &Report, rows: &[&GcPauses]) -> Option<Found> {
    let total: u64 = rows.iter().map(|row| row.total_ns).sum();
    let worst = rows.iter().max_by_key(|row| row.max_ns)?;
    let window = report.window.duration_ns;
    // In a short window some short pauses are much of the time, too.
    if worst.max_ns < LONG_NS && total < LONG_NS.max(window / 20) {
        return None;
    }
    let severity = if worst.max_ns >= VERY_LONG_NS || total >= VERY_LONG_NS.max(window / 10) {
        Severity::Warn
    } else {
        Severity::Info
    };
    let frame = own(worst.stack.as_ref()).or(worst.started_by.as_ref());
    let parts = [sentence(report, rows, worst, frame), stopped(report, worst.pid), waited(rows)];
    let text = parts.concat() + &remedy(report, worst);
    let found = Found::new(FindingKind::GcPause, severity, worst.pid, text).costs(total).at(frame);
    let evidence = found.with("count", worst.count).with("total_ns", total).with("max_ns", worst.max_ns);
    let generation = worst.generation.map(u64::from);
    Some(
        evidence
            .with("generation", generation)
            .with("collected", worst.collected)
            .with("waiters", most(rows)),
    )
}

fn sentence(report: &Report, rows: &[&GcPauses], worst: &GcPauses, frame: Option<&Frame>) -> String {
    let all: u64 = rows.iter().map(|row| row.count).sum();
    let total: u64 = rows.iter().map(|row| row.total_ns).sum();
    let at_least = if worst.sampled { "at least " } else { "" };
    let of = worst.generation.map_or_else(String::new, |generation| format!("generation {generation} "));
    let who = process(report, worst.pid);
    let set_off = frame.map_or_else(String::new, |frame| format!(", set off at {}", place(frame)));
    let whole = match all {
        1 => String::new(),
        _ => format!(" (in all {at_least}{} in {})", duration(total), counted(all, "collection")),
    };
    format!("a {of}collection paused {who} for {at_least}{}{whole}{set_off}", duration(worst.max_ns))
}

/// With a GIL, threads that need none go on.
fn stopped(report: &Report, pid: u32) -> String {
    let process = report.target.processes.rows.iter().find(|process| process.pid == pid);
    match process.and_then(|process| process.free_threaded) {
        Some(true) => "; without a GIL, all its threads stand still meanwhile".to_owned(),
        _ => String::new(),
    }
}

fn waited(rows: &[&GcPauses]) -> String {
    match most(rows) {
        None | Some(0) => String::new(),
        Some(threads) => format!("; {} waited for the GIL meanwhile", counted(threads, "thread")),
    }
}

fn most(rows: &[&GcPauses]) -> Option<u64> {
    rows.iter().filter_map(|row| row.waiters).max()
}

/// Collections of everything that find next to nothing look at what stays, again and again.
fn remedy(report: &Report, worst: &GcPauses) -> String {
    let Some(collected) = worst.collected else { return String::new() };
    // Of what was looked at, less than one in a hundred.
    let is_vain = worst.generation == Some(2) && collected < worst.total_ns / OBJECT_NS / 100;
    if worst.count < 2 || !is_vain || !freezes(report, worst.pid) {
        return String::new();
    }
    let freed = if collected == 0 { "nothing".to_owned() } else { counted(collected, "object") };
    format!("; {} freed {freed}, so gc.freeze() after the start would shorten the next", count(worst.count))
}

fn freezes(report: &Report, pid: u32) -> bool {
    let process = report.target.processes.rows.iter().find(|process| process.pid == pid);
    let version = process.and_then(|process| process.python.as_ref()).map(ToString::to_string);
    version.and_then(|version| release(&version)) >= Some(FREEZES)
}

/// `(3, 12)` of `3.12.1`
fn release(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Gc, GcMethod, Process};

    const SECOND: u64 = 1_000_000_000;
    const MILLISECOND: u64 = 1_000_000;

    fn found(python: &str, rows: Vec<GcPauses>) -> Vec<(Severity, String)> {
        let mut report = Report::default();
        report.window.duration_ns = 10 * SECOND;
        let process =
            Process { pid: 7, comm: "app".into(), python: Some(python.into()), ..Process::default() };
        report.target.processes = vec![process].into();
        report.gc = Some(Gc { method: GcMethod::Probe, pauses: rows.into() });
        let found = gc_pauses(&report).into_iter();
        found.map(|found| (found.finding.severity, found.finding.text.to_string())).collect()
    }

    fn full() -> GcPauses {
        GcPauses {
            pid: 7,
            generation: Some(2),
            count: 6,
            total_ns: 610 * MILLISECOND,
            max_ns: 143 * MILLISECOND,
            collected: Some(12),
            started_by: Some(Frame { function: "load".into(), file: "models.py".into(), line: Some(210) }),
            waiters: Some(3),
            ..GcPauses::default()
        }
    }

    #[test]
    fn a_pause_is_told_with_who_waited_and_what_would_help() {
        let paused = "a generation 2 collection paused pid 7 (app) for 143 ms (in all 610 ms in 6 collections), \
            set off at models.py:210 in load; 3 threads waited for the GIL meanwhile";
        let freeze = "; 6 freed 12 objects, so gc.freeze() after the start would shorten the next";
        for (name, python, row, remedy) in [
            ("in vain", "3.12.1", full(), freeze),
            ("no such function", "3.6.15", full(), ""),
            ("freed much", "3.12.1", GcPauses { collected: Some(400_000), ..full() }, ""),
            ("not known", "3.12.1", GcPauses { collected: None, ..full() }, ""),
        ] {
            assert_eq!(found(python, vec![row]), [(Severity::Warn, format!("{paused}{remedy}"))], "{name}");
        }
    }

    #[test]
    fn without_a_gil_all_threads_stand_still() {
        let mut report = Report::default();
        report.window.duration_ns = 10 * SECOND;
        let process = Process { pid: 7, free_threaded: Some(true), ..Process::default() };
        report.target.processes = vec![process].into();
        report.gc = Some(Gc { method: GcMethod::Sampled, pauses: vec![full()].into() });
        let text = gc_pauses(&report).remove(0).finding.text.to_string();
        assert!(text.contains("; without a GIL, all its threads stand still meanwhile"), "{text}");
    }

    #[test]
    fn what_nobody_notices_is_not_told() {
        let short =
            GcPauses { total_ns: 20 * MILLISECOND, max_ns: MILLISECOND, generation: Some(0), ..full() };
        assert_eq!(found("3.12.1", vec![short.clone()]), []);
        let often = GcPauses { count: 600, total_ns: 600 * MILLISECOND, ..short };
        assert_eq!(found("3.12.1", vec![often]).len(), 1);
    }

    #[test]
    fn samples_bound_from_below() {
        let (generation, collected, waiters, started_by) = (None, None, None, None);
        let sampled =
            GcPauses { sampled: true, generation, collected, waiters, started_by, count: 1, ..full() };
        let text = "a collection paused pid 7 (app) for at least 143 ms";
        assert_eq!(found("3.11.2", vec![sampled]), [(Severity::Warn, text.to_owned())]);
    }
}
