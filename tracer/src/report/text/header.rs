//! Who was traced, when, and where the time went.

use super::page::{Ink, Page};
use super::place::{columns, fit_text};
use crate::report::{Ended, Report, TargetProcess, Window};
use crate::units::{count, counted, duration, percent};

/// Roots that are named one by one.
const ROOTS: usize = 4;

pub fn write(page: &mut Page, report: &Report) {
    let host = &report.host;
    let machine = format!("Linux {} {}, {}", host.kernel, host.arch, counted(host.cpus, "CPU"));
    page.line(Ink::Faint, 0, &format!("tracer {}, {machine}", report.tracer.version));
    let processes = &report.target.processes;
    let roots: Vec<&TargetProcess> =
        processes.rows.iter().filter(|process| process.root).take(ROOTS).collect();
    for root in &roots {
        write_root(page, root);
    }
    let others = processes.sum().omitted.saturating_sub(roots.len() as u64);
    if others > 0 {
        let are = if others == 1 { "process" } else { "processes" };
        page.line(Ink::Plain, 0, &format!("and {} other {are}", count(others)));
    }
    page.prose(Ink::Plain, 0, &window(&report.window));
    page.prose(Ink::Plain, 0, &times(report));
}

fn write_root(page: &mut Page, root: &TargetProcess) {
    let title = if root.title.is_empty() { &root.comm } else { &root.title };
    let (pid, python) = (format!("{}  ", pid(root)), python(root));
    let room = page.width().saturating_sub(columns(&pid) + columns(&python));
    let title = page.paint(Ink::Title, &fit_text(&title.to_string(), room));
    page.raw_line(&format!("{pid}{title}{python}"));
}

/// Both of its pids where it has two.
pub fn pid(process: &TargetProcess) -> String {
    let inside = process.namespace_pid.map_or_else(String::new, |pid| format!(" ({pid} in its namespace)"));
    format!("pid {}{inside}", process.pid)
}

fn python(process: &TargetProcess) -> String {
    let build = if process.free_threaded == Some(true) { ", free-threaded" } else { "" };
    let version = process.python.as_ref().map(|version| fit_text(&version.to_string(), 16));
    version.map_or_else(String::new, |version| format!("  CPython {version}{build}"))
}

pub(in crate::report) fn window(window: &Window) -> String {
    // `2026-11-21T02:03:04.123456789Z`: nobody reads the nanoseconds.
    let start = window.start.split('.').next().unwrap_or_default().replace('T', " ");
    let only = chosen(window).map_or_else(String::new, |chosen| format!("; {chosen}"));
    format!("{} from {start} UTC, {}{only}", duration(window.duration_ns), ended(window.ended))
}

/// `only threads worker; stacks with json`
pub(in crate::report) fn chosen(window: &Window) -> Option<String> {
    (!window.chosen.is_empty()).then(|| format!("only {}", window.chosen.join("; ")))
}

/// Whose times the sums are.
pub(in crate::report) fn whose(window: &Window) -> &'static str {
    if window.chosen.is_empty() { "all threads" } else { "these rows" }
}

/// What is said where no finding is.
pub(in crate::report) fn no_findings(window: &Window) -> &'static str {
    if window.chosen.is_empty() { "none that stand out" } else { "only a report of all rows has them" }
}

fn ended(ended: Ended) -> &'static str {
    match ended {
        Ended::Duration => "until the time of -d was over",
        Ended::Interrupt => "until interrupted",
        Ended::TargetExited => "until the target exited",
        Ended::Saved => "until it was saved",
        Ended::Range => "until the end of the range",
        Ended::Until => "until the rule of --until held",
    }
}

fn times(report: &Report) -> String {
    let switches = &report.switches;
    format!(
        "{}: on-CPU {} ({}), off-CPU {}, run queue {}",
        whose(&report.window),
        duration(switches.on_cpu_ns),
        percent(switches.on_cpu_ns, report.window.duration_ns),
        duration(switches.off_cpu_ns),
        duration(switches.run_queue_ns),
    )
}
