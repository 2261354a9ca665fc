//! Who was traced, when, and the sums of all sections.

use crate::report::text::header::{pid, window};
use crate::report::{Report, TargetProcess};
use crate::units::{count, counted, duration, percent};

/// Roots that are named one by one.
const ROOTS: usize = 4;

/// The head of the page.
pub struct Header {
    /// What the window of a browser is called.
    pub title: String,
    /// The first processes that were asked for: pid, title, interpreter.
    pub roots: Vec<[String; 3]>,
    /// `and 12 other processes`
    pub others: Option<String>,
    /// `10.0 s from … UTC, until interrupted`
    pub window: String,
    /// `Linux 6.18 x86_64, 2 CPUs`
    pub machine: String,
    /// Sums.
    pub tiles: Vec<Tile>,
}

/// One sum.
pub struct Tile {
    /// What it is.
    pub label: &'static str,
    /// Its place in the JSON report.
    pub key: &'static str,
    /// As a person reads it.
    pub text: String,
    /// Exactly.
    pub value: u64,
    /// What it is a part of.
    pub note: String,
    /// The section that has its parts.
    pub to: &'static str,
}

impl Header {
    /// A report's.
    pub fn new(report: &Report) -> Self {
        let processes = &report.target.processes;
        let roots: Vec<_> = processes.rows.iter().filter(|row| row.root).take(ROOTS).map(root).collect();
        let others = processes.sum().omitted.saturating_sub(roots.len() as u64);
        let noun = if others == 1 { "process" } else { "processes" };
        let host = &report.host;
        Self {
            title: roots.first().map_or_else(String::new, |[pid, title, _]| format!("{title} ({pid})")),
            roots,
            others: (others > 0).then(|| format!("and {} other {noun}", count(others))),
            window: window(&report.window),
            machine: format!("Linux {} {}, {}", host.kernel, host.arch, counted(host.cpus, "CPU")),
            tiles: tiles(report),
        }
    }
}

fn root(row: &TargetProcess) -> [String; 3] {
    let title = if row.title.is_empty() { &row.comm } else { &row.title };
    let build = if row.free_threaded == Some(true) { ", free-threaded" } else { "" };
    let python = row.python.as_ref().map_or_else(String::new, |version| format!("CPython {version}{build}"));
    [pid(row), title.to_string(), python]
}

fn tiles(report: &Report) -> Vec<Tile> {
    let (switches, window) = (&report.switches, report.window.duration_ns);
    let time = |label, key, value, note, to| Tile { label, key, text: duration(value), value, note, to };
    let number = |label, key, value, note, to| Tile { label, key, text: count(value), value, note, to };
    let of_window = format!("{} of one CPU", percent(switches.on_cpu_ns, window));
    let per_second = |n: u64| format!("{} a second", count((n as f64 * 1e9 / window.max(1) as f64) as u64));
    let lost: u64 = report.quality.lost.values().sum();
    let mut tiles = vec![
        time("On-CPU", "switches.on_cpu_ns", switches.on_cpu_ns, of_window, "flames"),
        time("Off-CPU", "switches.off_cpu_ns", switches.off_cpu_ns, "all threads".to_owned(), "switches"),
        time(
            "Run queue",
            "switches.run_queue_ns",
            switches.run_queue_ns,
            "ready, without a CPU".to_owned(),
            "switches",
        ),
        number(
            "Voluntary switches",
            "switches.voluntary",
            switches.voluntary,
            per_second(switches.voluntary),
            "switches",
        ),
        number(
            "Involuntary",
            "switches.involuntary",
            switches.involuntary,
            per_second(switches.involuntary),
            "switches",
        ),
    ];
    if let Some(gil) = &report.gil {
        tiles.push(time("GIL wait", "gil.wait_ns", gil.wait_ns, counted(gil.waits, "wait"), "gil"));
    }
    let (reads, signals) = (report.reads.sum().totals, report.signals.sum().totals);
    tiles.extend([
        number("Read calls", "reads.syscalls", reads.syscalls, crate::units::bytes(reads.bytes), "reads"),
        number("Signals", "signals.count", signals.count, "sent to a traced process".to_owned(), "signals"),
        number("Lost", "quality.lost", lost, format!("of {} hits", count(report.quality.hits)), "quality"),
    ]);
    tiles
}
