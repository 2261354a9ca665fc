//! Processes that the garbage collector paused.

use super::cpus::is_short;
use super::whose::Whose;
use super::{RankedFinding, grouped, own, place};
use crate::report::{FindingKind, Frame, GcPauses, Programs, Report, Severity};
use crate::units::{count, counted, duration};

/// A person who waits notices.
const LONG_NS: u64 = 50_000_000;
const VERY_LONG_NS: u64 = 100_000_000;
/// Examining an object takes the collector no longer.
const OBJECT_NS: u64 = 200;
/// `gc.freeze`: <https://docs.python.org/3/library/gc.html#gc.freeze>
const FREEZES: (u32, u32) = (3, 7);

/// What the collector did to each program.
pub fn gc_pauses(report: &Report, programs: &Programs) -> Vec<RankedFinding> {
    let pauses = report.gc.iter().flat_map(|gc| &gc.pauses.rows);
    let paused = grouped(pauses, |row| (row.pid, is_outside(row)));
    let paused = paused.into_iter().filter(|rows| is_noticed(report, rows));
    let alike = grouped(paused, |rows| (programs.first(rows[0].pid), is_outside(rows[0])));
    alike.iter().map(|processes| pauses_of(report, &processes.concat())).collect()
}

/// In one process. In a short window some short pauses are much of the time, too.
fn is_noticed(report: &Report, rows: &[&GcPauses]) -> bool {
    worst(rows).max_ns >= LONG_NS || total_ns(rows) >= LONG_NS.max(report.window.duration_ns / 20)
}

fn total_ns(rows: &[&GcPauses]) -> u64 {
    rows.iter().map(|row| row.total_ns).sum()
}

fn worst<'a>(rows: &[&'a GcPauses]) -> &'a GcPauses {
    rows.iter().max_by_key(|row| row.max_ns).expect("a group has a row")
}

/// Whether no Python code ran: the interpreter collects so at its end, when it is not waited for any more.
/// <https://github.com/python/cpython/blob/v3.13.0/Python/pylifecycle.c> (`finalize_modules`)
fn is_outside(pause: &GcPauses) -> bool {
    !pause.sampled && line(pause).is_none()
}

/// The line that began a pause.
fn line(pause: &GcPauses) -> Option<&Frame> {
    own(pause.stack.as_ref()).or(pause.started_by.as_ref())
}

fn pauses_of(report: &Report, rows: &[&GcPauses]) -> RankedFinding {
    let (worst, total, whose) =
        (worst(rows), total_ns(rows), Whose::new(rows.iter().map(|row| (row.pid, row.total_ns))));
    let dear = VERY_LONG_NS.max(report.window.duration_ns / 10);
    let severity = if !is_outside(worst) && (worst.max_ns >= VERY_LONG_NS || whose.greatest() >= dear) {
        Severity::Warn
    } else {
        Severity::Info
    };
    let frame = line(worst);
    let parts = [sentence(report, rows, &whose), stopped(report, worst.pid), waited(rows)];
    let text = parts.concat() + &whose.outliers(report, duration) + &remedy(report, rows);
    let found = RankedFinding::new(FindingKind::GcPause, severity, worst.pid, text).costs(total).at(frame);
    let evidence = found.with("count", worst.count).with("total_ns", total).with("max_ns", worst.max_ns);
    let generation = worst.generation.map(u64::from);
    let evidence = evidence.with("generation", generation).with("collected", worst.collected);
    evidence.with("waiters", most(rows)).whose(&whose)
}

fn sentence(report: &Report, rows: &[&GcPauses], whose: &Whose) -> String {
    let worst = worst(rows);
    let all: u64 = rows.iter().map(|row| row.count).sum();
    let at_least = |is_so| if is_so { "at least " } else { "" };
    let of = worst.generation.map_or_else(String::new, |generation| format!(" (generation {generation})"));
    let who = whose.text(report);
    let started = match line(worst) {
        Some(frame) => format!(", started at {}", place(frame)),
        None if worst.sampled => String::new(),
        None => ", outside of Python code, as at the interpreter's end".to_owned(),
    };
    let whole = match all {
        1 => String::new(),
        _ => {
            let elsewhere = if rows.iter().any(|row| line(row) != line(worst)) {
                "with those of other lines "
            } else {
                ""
            };
            let (least, cost) = (at_least(rows.iter().any(|row| row.sampled)), duration(whose.cost()));
            format!(", {elsewhere}{least}{cost} in all in {}", counted(all, "collection"))
        }
    };
    let up_to = if all > 1 && !worst.sampled { "up to " } else { at_least(worst.sampled) };
    format!("garbage collection{of} paused {who} for {up_to}{}{started}{whole}", duration(worst.max_ns))
}

/// With a GIL, threads that need none go on.
fn stopped(report: &Report, pid: u32) -> String {
    let process = report.target.processes.rows.iter().find(|process| process.pid == pid);
    match process.and_then(|process| process.free_threaded) {
        Some(true) => "; without a GIL, all threads stand still meanwhile".to_owned(),
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

/// Collections of everything that find next to nothing examine what stays, again and again. What the interpreter does at its
/// end has no line, and no remedy.
fn remedy(report: &Report, rows: &[&GcPauses]) -> String {
    /// So many collections are the interpreter's own choice.
    const MANY: u64 = 100;
    let worst = worst(rows);
    let Some(collected) = worst.collected.filter(|_| line(worst).is_some()) else { return String::new() };
    // Of what was examined, less than one in a hundred; without a CPU it examined less than it had time for.
    let next_to_nothing = collected < worst.total_ns / OBJECT_NS / 100 && !is_short(report);
    let is_vain = worst.generation == Some(2) && (collected == 0 || next_to_nothing);
    if worst.count >= 2 && is_vain && freezes(report, worst.pid) {
        let freed = if collected == 0 {
            "nothing".to_owned()
        } else {
            format!("only {}", counted(collected, "object"))
        };
        return format!(
            "; {} of them freed {freed}: gc.freeze() after startup makes the next ones shorter",
            count(worst.count)
        );
    }
    let all: u64 = rows.iter().map(|row| row.count).sum();
    if all >= MANY { "; larger gc.set_threshold() values make them rarer".to_owned() } else { String::new() }
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
    use crate::report::{Bounded, Gc, GcMethod, Switches, TargetProcess};

    const SECOND: u64 = 1_000_000_000;
    const MILLISECOND: u64 = 1_000_000;

    fn found(python: &str, rows: Vec<GcPauses>) -> Vec<(Severity, String)> {
        let mut report = Report::default();
        report.window.duration_ns = 10 * SECOND;
        let process = TargetProcess {
            pid: 7,
            comm: "app".into(),
            python: Some(python.into()),
            ..TargetProcess::default()
        };
        report.target.processes = vec![process].into();
        report.gc =
            Some(Gc { method: GcMethod::Probe, collections: Bounded::default(), pauses: rows.into() });
        let found = gc_pauses(&report, &Programs::new(&report)).into_iter();
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
    fn a_pause_is_reported_with_who_waited_and_what_would_help() {
        let paused = "garbage collection (generation 2) paused pid 7 (app) for up to 143 ms, started at models.py:210 in \
            load, 610 ms in all in 6 collections; 3 threads waited for the GIL meanwhile";
        let freeze =
            "; 6 of them freed only 12 objects: gc.freeze() after startup makes the next ones shorter";
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
    fn what_other_lines_began_is_not_reported_of_the_longest() {
        let elsewhere = |function: &str| {
            let started_by = full().started_by.map(|frame| Frame { function: function.into(), ..frame });
            GcPauses { max_ns: 50 * MILLISECOND, started_by, collected: Some(400_000), ..full() }
        };
        let longest = "for up to 143 ms, started at models.py:210 in load, ";
        for (name, row, whole) in [
            ("at the same line", elsewhere("load"), "1.22 s in all in 12 collections;"),
            ("at another", elsewhere("save"), "with those of other lines 1.22 s in all in 12 collections;"),
            (
                "of which samples know a part",
                GcPauses { sampled: true, ..elsewhere("save") },
                "with those of other lines at least 1.22 s in all in 12 collections;",
            ),
        ] {
            let [(_, text)] = &found("3.12.1", vec![full(), row])[..] else { panic!("one sentence") };
            assert!(text.contains(&format!("{longest}{whole}")), "{name}: {text}");
        }
    }

    #[test]
    fn a_pause_without_a_cpu_does_not_say_how_much_was_examined() {
        let (run_queue_ns, on_cpu_ns) = (4 * SECOND, SECOND);
        let mut report = Report::default();
        report.window.duration_ns = 10 * SECOND;
        report.switches = Switches { run_queue_ns, on_cpu_ns, ..Switches::default() };
        let python = Some("3.12.1".into());
        report.target.processes = vec![TargetProcess { pid: 7, python, ..TargetProcess::default() }].into();
        let (collections, pauses) = (Bounded::default(), vec![full()].into());
        report.gc = Some(Gc { method: GcMethod::Probe, collections, pauses });
        let text = gc_pauses(&report, &Programs::new(&report)).remove(0).finding.text.to_string();
        assert!(!text.contains("gc.freeze"), "{text}");
    }

    #[test]
    fn without_a_gil_all_threads_stand_still() {
        let mut report = Report::default();
        report.window.duration_ns = 10 * SECOND;
        let process = TargetProcess { pid: 7, free_threaded: Some(true), ..TargetProcess::default() };
        report.target.processes = vec![process].into();
        let (collections, pauses) = (Bounded::default(), vec![full()].into());
        report.gc = Some(Gc { method: GcMethod::Sampled, collections, pauses });
        let text = gc_pauses(&report, &Programs::new(&report)).remove(0).finding.text.to_string();
        assert!(text.contains("; without a GIL, all threads stand still meanwhile"), "{text}");
    }

    #[test]
    fn what_the_interpreter_collects_at_its_end_is_no_warning() {
        let last = GcPauses { started_by: None, ..full() };
        let [(severity, text)] = &found("3.12.1", vec![last.clone()])[..] else { panic!("one sentence") };
        assert_eq!(*severity, Severity::Info);
        assert!(text.contains("outside of Python code, as at the interpreter's end"), "{text}");
        let both = found("3.12.1", vec![last, full()]);
        assert_eq!(
            both.iter().map(|(severity, _)| *severity).collect::<Vec<_>>(),
            [Severity::Info, Severity::Warn]
        );
    }

    #[test]
    fn what_nobody_notices_is_not_reported() {
        let short =
            GcPauses { total_ns: 20 * MILLISECOND, max_ns: MILLISECOND, generation: Some(0), ..full() };
        assert_eq!(found("3.12.1", vec![short.clone()]), []);
        let often = GcPauses { count: 600, total_ns: 600 * MILLISECOND, ..short };
        let often = found("3.12.1", vec![often]);
        assert!(often[0].1.ends_with("; larger gc.set_threshold() values make them rarer"), "{often:?}");
    }

    #[test]
    fn samples_bound_from_below() {
        let (generation, collected, waiters, started_by) = (None, None, None, None);
        let sampled =
            GcPauses { sampled: true, generation, collected, waiters, started_by, count: 1, ..full() };
        let text = "garbage collection paused pid 7 (app) for at least 143 ms";
        assert_eq!(found("3.11.2", vec![sampled]), [(Severity::Warn, text.to_owned())]);
    }
}
