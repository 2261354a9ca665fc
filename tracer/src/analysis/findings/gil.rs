//! The GIL: threads that waited for it, who made them wait, and who slept with it in hand.

use super::waits::{contended, of_process, sums};
use super::{Found, at, grouped, own, place, process};
use crate::report::{BlockedHolder, Cause, FindingKind, Frame, GilHolder, Report, Severity, SwitchCause};
use crate::units::{self, counted, duration, percent};

/// A sleep with the GIL in hand that is shorter is not worth a sentence.
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
    let holder = dearest_holder(report, pid);
    let text = format!(
        "threads of {} waited {} for the GIL in {} switches, {} of their off-CPU time, most{}{}",
        process(report, pid),
        duration(waited),
        units::count(count),
        percent(waited, off_cpu),
        at(most.stack.as_ref()),
        holder.map_or_else(String::new, |(holder, frame)| held(holder, frame)),
    );
    let severity = if waited > report.window.duration_ns / 2 { Severity::Warn } else { Severity::Info };
    let line = holder.map(|(_, frame)| frame).or_else(|| own(most.stack.as_ref()));
    let found = Found::new(FindingKind::Gil, severity, pid, text).costs(waited).at(line);
    let found = found.with("switches", count).with("off_cpu_ns", waited);
    let holder = holder.map(|(holder, _)| holder);
    Some(
        found
            .with("holder_tid", holder.map(|holder| u64::from(holder.tid)))
            .with("held_while_others_waited_ns", holder.map(|holder| holder.held_while_others_waited_ns)),
    )
}

/// Who made others wait for longest, where its line is known.
fn dearest_holder(report: &Report, pid: u32) -> Option<(&GilHolder, &Frame)> {
    let holders = &report.gil.as_ref()?.holders.rows;
    let holder = holders.iter().find(|holder| holder.pid == pid)?;
    Some((holder, holder.frame.as_ref()?))
}

fn held(holder: &GilHolder, frame: &Frame) -> String {
    let held = duration(holder.held_while_others_waited_ns);
    format!("; thread {} held it for {held} meanwhile, at {}", holder.tid, place(frame))
}

/// Lines that slept without giving the GIL away.
pub fn sleeps(report: &Report) -> Vec<Found> {
    let rows = report.gil.iter().flat_map(|gil| &gil.blocked_while_held.rows);
    rows.filter(|row| is_long(report, row)).filter_map(|row| sleep_of(report, row)).collect()
}

fn is_long(report: &Report, row: &BlockedHolder) -> bool {
    row.off_cpu_ns >= WORTH_A_LOOK_NS && row.off_cpu_ns >= report.window.duration_ns / 100
}

fn sleep_of(report: &Report, row: &BlockedHolder) -> Option<Found> {
    let frame = row.frame.as_ref()?;
    let what = row.syscall.as_deref().unwrap_or(row.cause.as_str());
    let text = format!(
        "{} keeps the GIL while it sleeps in {what} at {}: {}, {} in all, while no other thread can run Python",
        process(report, row.pid),
        place(frame),
        counted(row.count, "time"),
        duration(row.off_cpu_ns),
    );
    let found = Found::new(FindingKind::Gil, Severity::Warn, row.pid, text);
    let found = found.costs(row.off_cpu_ns).at(Some(frame));
    Some(found.with("count", row.count).with("off_cpu_ns", row.off_cpu_ns).with("cause", row.cause.as_str()))
}
