//! The GIL: threads that waited for it, threads that made them wait, and threads that slept without releasing it.

use super::waits::{contended, of_process, sums};
use super::whose::Whose;
use super::{RankedFinding, grouped, own, place};
use crate::analysis::lines::is_standard_library;
use crate::report::{BlockedHolder, Cause, FindingKind, Frame, Programs, Report, Severity, SwitchCause};
use crate::units::{self, counted, duration, percent};

/// Less time in which others waited for a thread that sleeps and keeps the GIL is not worth a sentence.
const WORTH_A_FINDING_NS: u64 = 10_000_000;

/// What each program waited for the GIL, and which line held it meanwhile.
pub fn waits(report: &Report, programs: &Programs) -> Vec<RankedFinding> {
    let rows = contended(report, Cause::Gil);
    let long = grouped(rows, |row| row.pid).into_iter().filter(|waits| is_contended(report, waits)).flatten();
    grouped(long, |row| programs.first(row.pid)).iter().filter_map(|waits| waits_of(report, waits)).collect()
}

/// A tenth of the window, in one process.
fn is_contended(report: &Report, waits: &[&SwitchCause]) -> bool {
    sums(waits).1 >= report.window.duration_ns / 10
}

fn waits_of(report: &Report, waits: &[&SwitchCause]) -> Option<RankedFinding> {
    let whose = Whose::new(waits.iter().map(|row| (row.pid, row.off_cpu_ns)));
    let (count, waited) = sums(waits);
    let most = waits.iter().max_by_key(|row| row.off_cpu_ns)?;
    let off_cpu: u64 =
        whose.pids().into_iter().flat_map(|pid| of_process(report, pid)).map(|row| row.off_cpu_ns).sum();
    let holder = dearest_line(report, &whose);
    let text = format!(
        "threads of {} waited {} for the GIL ({} of their off-CPU time, {} switches){}{}{}; {}",
        whose.text(report),
        duration(waited),
        percent(waited, off_cpu),
        units::count(count),
        own(most.stack.as_ref()).map_or_else(String::new, |frame| format!(", most at {}", place(frame))),
        whose.outliers(report, duration),
        holder.as_ref().map_or_else(String::new, LineHeld::text),
        holder.as_ref().map_or("use fewer threads, or processes", LineHeld::remedy),
    );
    let half = report.window.duration_ns / 2;
    let severity = if whose.greatest() > half { Severity::Warn } else { Severity::Info };
    let line = holder
        .as_ref()
        .filter(|holder| holder.stands_out())
        .map(|holder| holder.frame)
        .or_else(|| own(most.stack.as_ref()));
    let found = RankedFinding::new(FindingKind::Gil, severity, whose.pid(), text).costs(waited).at(line);
    let found = found.with("switches", count).with("off_cpu_ns", waited).whose(&whose);
    let held = |of: fn(&LineHeld) -> u64| holder.as_ref().map(of);
    Some(
        found
            .with("holder_tid", held(|line| u64::from(line.tid)))
            .with("holder_threads", held(|line| line.threads))
            .with("held_while_others_waited_ns", held(|line| line.ns))
            .with("all_held_while_others_waited_ns", held(|line| line.all_ns)),
    )
}

/// A line that held the GIL while others waited, in all threads together.
struct LineHeld<'a> {
    frame: &'a Frame,
    ns: u64,
    /// Of all lines.
    all_ns: u64,
    /// The thread that did so for longest.
    tid: u32,
    /// How many did.
    threads: u64,
}

/// The line that made others wait for longest, if lines are known.
fn dearest_line<'a>(report: &'a Report, whose: &Whose) -> Option<LineHeld<'a>> {
    let rows = || report.gil.iter().flat_map(|gil| &gil.holders.rows).filter(|holder| whose.has(holder.pid));
    let mut lines = Vec::<LineHeld>::new();
    for (holder, frame) in rows().filter_map(|holder| Some((holder, holder.frame.as_ref()?))) {
        let ns = holder.held_while_others_waited_ns;
        match lines.iter_mut().find(|line| line.frame == frame) {
            Some(line) => {
                line.ns += ns;
                line.threads += holder.threads;
            }
            None => lines.push(LineHeld { frame, ns, all_ns: 0, tid: holder.tid, threads: holder.threads }),
        }
    }
    let all_ns = rows().map(|holder| holder.held_while_others_waited_ns).sum();
    lines.into_iter().max_by_key(|line| line.ns).map(|line| LineHeld { all_ns, ..line })
}

impl LineHeld<'_> {
    /// A fifth of the time, or more.
    fn stands_out(&self) -> bool {
        self.ns * 5 >= self.all_ns
    }

    /// The standard library's work is spread over all that call it.
    fn remedy(&self) -> &'static str {
        match is_standard_library(self.frame.file.as_bytes()) || !self.stands_out() {
            true => "use fewer threads, or processes",
            false => "move that work to a process pool",
        }
    }

    fn text(&self) -> String {
        let held = duration(self.ns);
        let share = percent(self.ns, self.all_ns);
        if !self.stands_out() {
            return format!(
                "; many lines held it meanwhile, none of them for more than {share} of that time"
            );
        }
        let who = match self.threads {
            1 => format!("thread {}", self.tid),
            threads => counted(threads, "thread"),
        };
        format!("; meanwhile {who} held it at {} for {held}, {share} of that time", place(self.frame))
    }
}

/// Lines that slept without releasing the GIL, while other threads wanted it.
pub fn sleeps(report: &Report, programs: &Programs) -> Vec<RankedFinding> {
    let rows = report.gil.iter().flat_map(|gil| &gil.blocked_while_held.rows);
    let long = rows.filter(|row| is_long(report, row));
    let alike =
        |row: &&BlockedHolder| (programs.first(row.pid), row.frame.clone(), row.cause, row.syscall.clone());
    grouped(long, alike).iter().filter_map(|rows| sleeps_of(report, rows)).collect()
}

fn is_long(report: &Report, row: &BlockedHolder) -> bool {
    row.others_waited_ns >= WORTH_A_FINDING_NS.max(report.window.duration_ns / 100)
}

fn sleeps_of(report: &Report, rows: &[&BlockedHolder]) -> Option<RankedFinding> {
    let whose = Whose::new(rows.iter().map(|row| (row.pid, row.others_waited_ns)));
    let frame = rows[0].frame.as_ref()?;
    let what = rows[0].syscall.clone().unwrap_or_else(|| rows[0].cause.as_str().replace('_', " "));
    let sum = |of: fn(&BlockedHolder) -> u64| rows.iter().map(|row| of(row)).sum::<u64>();
    let (count, off_cpu_ns) = (sum(|row| row.count), sum(|row| row.off_cpu_ns));
    let text = format!(
        "{} {} in {what} at {} without releasing the GIL: {}, {} in all; other threads waited {} for it meanwhile{}{}",
        whose.text(report),
        whose.verb("sleeps", "sleep"),
        place(frame),
        counted(count, "time"),
        duration(off_cpu_ns),
        duration(whose.cost()),
        whose.outliers(report, duration),
        remedy(rows[0]),
    );
    let found = RankedFinding::new(FindingKind::Gil, Severity::Warn, whose.pid(), text).whose(&whose);
    let found = found.costs(whose.cost()).at(Some(frame)).with("count", count);
    let found = found.with("off_cpu_ns", off_cpu_ns).with("others_waited_ns", whose.cost());
    Some(found.with("cause", rows[0].cause.as_str()))
}

/// `ctypes.PyDLL` keeps the GIL, `ctypes.CDLL` releases it: <https://docs.python.org/3/library/ctypes.html#ctypes.PyDLL>
fn remedy(row: &BlockedHolder) -> &'static str {
    match row.cause {
        Cause::PageFault | Cause::Disk => {
            "; load that memory beforehand: it is swapped out, or a file that is mapped"
        }
        _ if row.syscall.is_some() => "; let the C code release it around the call (ctypes: CDLL, not PyDLL)",
        _ => "",
    }
}
