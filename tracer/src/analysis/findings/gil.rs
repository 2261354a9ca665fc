//! The GIL: threads that waited for it, who made them wait, and who slept with it in hand.

use super::waits::{contended, of_process, sums};
use super::{Found, at, grouped, own, place, process};
use crate::report::{BlockedHolder, Cause, FindingKind, Frame, Report, Severity, SwitchCause};
use crate::units::{self, counted, duration, percent};

/// Less time in which others waited for a thread that sleeps with the GIL in hand is not worth a sentence.
const WORTH_A_LOOK_NS: u64 = 10_000_000;

/// What each process waited for the GIL, and which line held it meanwhile.
pub fn waits(report: &Report) -> Vec<Found> {
    let rows = contended(report, Cause::Gil);
    grouped(rows, |row| row.pid).iter().filter_map(|waits| waits_of(report, waits)).collect()
}

fn waits_of(report: &Report, waits: &[&SwitchCause]) -> Option<Found> {
    let (count, waited) = sums(waits);
    if waited < report.window.duration_ns / 10 {
        return None;
    }
    let pid = waits[0].pid;
    let most = waits.iter().max_by_key(|row| row.off_cpu_ns)?;
    let off_cpu: u64 = of_process(report, pid).map(|row| row.off_cpu_ns).sum();
    let holder = dearest_line(report, pid);
    let text = format!(
        "threads of {} waited {} for the GIL in {} switches, {} of their off-CPU time, most{}{}",
        process(report, pid),
        duration(waited),
        units::count(count),
        percent(waited, off_cpu),
        at(most.stack.as_ref()),
        holder.as_ref().map_or_else(String::new, LineHeld::text),
    );
    let severity = if waited > report.window.duration_ns / 2 { Severity::Warn } else { Severity::Info };
    let line = holder.as_ref().map(|holder| holder.frame).or_else(|| own(most.stack.as_ref()));
    let found = Found::new(FindingKind::Gil, severity, pid, text).costs(waited).at(line);
    let found = found.with("switches", count).with("off_cpu_ns", waited);
    let held = |of: fn(&LineHeld) -> u64| holder.as_ref().map(of);
    Some(
        found
            .with("holder_tid", held(|line| u64::from(line.tid)))
            .with("holder_threads", held(|line| line.threads))
            .with("held_while_others_waited_ns", held(|line| line.ns))
            .with("all_held_while_others_waited_ns", held(|line| line.all_ns)),
    )
}

/// A line that held the GIL while others waited, in all threads of its process together.
struct LineHeld<'a> {
    frame: &'a Frame,
    ns: u64,
    /// Of all lines of the process.
    all_ns: u64,
    /// The thread that did so for longest.
    tid: u32,
    /// How many did.
    threads: u64,
}

/// The line that made others wait for longest, if lines are known.
fn dearest_line(report: &Report, pid: u32) -> Option<LineHeld<'_>> {
    let rows = || report.gil.iter().flat_map(|gil| &gil.holders.rows).filter(|holder| holder.pid == pid);
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
    fn text(&self) -> String {
        let held = duration(self.ns);
        let share = percent(self.ns, self.all_ns);
        let who = match self.threads {
            1 => format!("thread {}", self.tid),
            threads => counted(threads, "thread"),
        };
        format!("; meanwhile {} held it for {held}, {share} of that time, in {who}", place(self.frame))
    }
}

/// Lines that slept without giving the GIL away, while other threads wanted it.
pub fn sleeps(report: &Report) -> Vec<Found> {
    let rows = report.gil.iter().flat_map(|gil| &gil.blocked_while_held.rows);
    rows.filter(|row| is_long(report, row)).filter_map(|row| sleep_of(report, row)).collect()
}

fn is_long(report: &Report, row: &BlockedHolder) -> bool {
    row.others_waited_ns >= WORTH_A_LOOK_NS.max(report.window.duration_ns / 100)
}

fn sleep_of(report: &Report, row: &BlockedHolder) -> Option<Found> {
    let frame = row.frame.as_ref()?;
    let what = row.syscall.as_deref().unwrap_or(row.cause.as_str());
    let text = format!(
        "{} keeps the GIL while it sleeps in {what} at {}: {}, {} in all; other threads waited {} of it for the GIL",
        process(report, row.pid),
        place(frame),
        counted(row.count, "time"),
        duration(row.off_cpu_ns),
        duration(row.others_waited_ns),
    );
    let found = Found::new(FindingKind::Gil, Severity::Warn, row.pid, text);
    let found = found.costs(row.others_waited_ns).at(Some(frame)).with("count", row.count);
    let found = found.with("off_cpu_ns", row.off_cpu_ns).with("others_waited_ns", row.others_waited_ns);
    Some(found.with("cause", row.cause.as_str()))
}
