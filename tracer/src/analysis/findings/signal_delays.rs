//! Signals whose Python handlers began late, or not at all.

use super::whose::Whose;
use super::{RankedFinding, own, place, when};
use crate::report::{FindingKind, Frame, HandlerState, HandlerWait, Programs, Report, Severity, Signal};
use crate::units::{counted, duration};

/// A person notices that.
const LATE_NS: u64 = 100_000_000;
/// An orchestrator loses patience with a process that does not end.
const GRAVE_NS: u64 = 1_000_000_000;

/// One sentence for each program, signal and reason: the longest delay.
pub fn signal_delays(report: &Report, programs: &Programs) -> Vec<RankedFinding> {
    let late = report.signals.rows.iter().filter_map(|signal| Some((signal, delay(report, signal)?)));
    let late = late.filter(|(_, delay)| *delay >= LATE_NS);
    let alike = super::grouped(late, |(signal, _)| {
        (programs.first(signal.target.pid), signal.number, reason(signal))
    });
    alike.iter().filter_map(|rows| worst(report, rows)).collect()
}

/// From the delivery to the start, or to the end of process or trace; from the generation where it was blocked.
fn delay(report: &Report, signal: &Signal) -> Option<u64> {
    let began = match signal.handler_state {
        HandlerState::Started => signal.handler.as_ref()?.started_after_ns?,
        HandlerState::Pending => end(report, signal.target.pid).0.saturating_sub(signal.at_ns),
        HandlerState::None | HandlerState::Unknown => return None,
    };
    let delivered = signal.delivered_after_ns.unwrap_or(0);
    Some(if is_blocked(signal) { began } else { began.saturating_sub(delivered) })
}

fn is_blocked(signal: &Signal) -> bool {
    reason(signal) == Some(HandlerWait::Blocked)
}

fn reason(signal: &Signal) -> Option<HandlerWait> {
    signal.handler.as_ref()?.waited_for
}

/// When a process ended, or the window; and which of them.
fn end(report: &Report, pid: u32) -> (u64, &'static str) {
    let process = report.target.processes.rows.iter().find(|process| process.pid == pid);
    let ended = process.and_then(|process| process.ended_at_ns);
    ended.map_or((report.window.duration_ns, "the trace"), |at| (at, "the process"))
}

fn worst(report: &Report, rows: &[(&Signal, u64)]) -> Option<RankedFinding> {
    let &(signal, delay) = rows.iter().max_by_key(|(_, delay)| *delay)?;
    let times: u64 = rows.iter().map(|(signal, _)| signal.count).sum();
    let others =
        if times > 1 { format!(" (the longest of {})", counted(times, "delay")) } else { String::new() };
    let whose = Whose::new(rows.iter().map(|(signal, delay)| (signal.target.pid, *delay)));
    let text = format!(
        "{}{}{others}{} ({})",
        reached(report, signal, &whose),
        then(report, signal, delay),
        remedy(signal),
        when([signal.at_ns; 2]),
    );
    let found =
        RankedFinding::new(FindingKind::SignalDelay, severity(signal, delay), signal.target.pid, text);
    let found = found.costs(delay).at(cause(signal)).whose(&whose).with("signal", signal.signal.as_str());
    let found = found.with("at_ns", signal.at_ns).with("delay_ns", delay).with("count", times);
    Some(found.with("waited_for", reason(signal).map(HandlerWait::as_str)))
}

/// A handler that has not started, or a second late, is a bug most often.
fn severity(signal: &Signal, delay: u64) -> Severity {
    let grave = delay >= GRAVE_NS || signal.handler_state == HandlerState::Pending;
    if grave { Severity::Warn } else { Severity::Info }
}

/// `from pid 812 (gunicorn, arbiter.py:530 in kill_worker) reached pid 830 (app) after 30 µs`
fn reached(report: &Report, signal: &Signal, whose: &Whose) -> String {
    let from = match &signal.sender {
        Some(sender) if sender.pid == Some(signal.target.pid) => " of its own".to_owned(),
        Some(sender) => {
            let line = own(signal.sender_stack.as_ref());
            let line = line.map_or_else(String::new, |frame| format!(", {}", place(frame)));
            format!(" from {} ({}{line})", sender.process(), sender.comm)
        }
        None => String::new(),
    };
    let after = signal.delivered_after_ns.map_or_else(String::new, |ns| format!(" after {}", duration(ns)));
    let after = if is_blocked(signal) { format!(" only{after}") } else { after };
    format!("{}{from} reached {}{after}", signal.signal, whose.text(report))
}

/// `, but its Python handler on_term at app.py:12 started 4.02 s later: the main thread was in a C call at img.py:60 in f`
fn then(report: &Report, signal: &Signal, delay: u64) -> String {
    let late = duration(delay);
    if is_blocked(signal) {
        return format!(": it was blocked{}", arrival(signal, " until"));
    }
    if signal.handler_state == HandlerState::Pending {
        let (ended, came) = (end(report, signal.target.pid).1, arrival(signal, "; it arrived at"));
        return format!(", but its Python handler had not started {late} later, when {ended} ended{came}");
    }
    let frame = signal.handler.as_ref().and_then(|handler| handler.frame.as_ref());
    let named = frame.map_or_else(String::new, |frame| format!(" {}", function(frame)));
    format!(", but its Python handler{named} started {late} later{}", because(signal))
}

/// `on_term at app.py:12`
fn function(frame: &Frame) -> String {
    let line = frame.line.map_or_else(String::new, |line| format!(":{line}"));
    format!("{} at {}{line}", frame.function, frame.file)
}

fn because(signal: &Signal) -> String {
    match reason(signal) {
        None | Some(HandlerWait::Nothing | HandlerWait::Blocked) => String::new(),
        Some(HandlerWait::CCall) => {
            format!(": the main thread was in a C call{}", arrival(signal, " at"))
        }
        Some(HandlerWait::Gil) => {
            format!(": the main thread waited for the GIL{}", arrival(signal, " at"))
        }
        Some(HandlerWait::WrongThread) => {
            ": another thread received the signal, and the main thread slept on".into()
        }
        Some(HandlerWait::Nested) => ": another handler was running".into(),
    }
}

/// What to do about it.
fn remedy(signal: &Signal) -> &'static str {
    match reason(signal) {
        None | Some(HandlerWait::Nothing) => "",
        Some(HandlerWait::Blocked) => "; unblock it earlier",
        Some(HandlerWait::CCall) => "; make that call in another thread, or in smaller pieces",
        Some(HandlerWait::Gil) => "; move the work of the threads that hold the GIL to other processes",
        Some(HandlerWait::WrongThread) => "; block the signal in the other threads (signal.pthread_sigmask)",
        Some(HandlerWait::Nested) => "; keep handlers short: set a flag and return",
    }
}

/// ` at img.py:60 in f`, after these words; nothing where it is not known.
fn arrival(signal: &Signal, words: &str) -> String {
    arrived_at(signal).map_or_else(String::new, |frame| format!("{words} {}", place(frame)))
}

/// Where the main thread was when it took the signal.
fn arrived_at(signal: &Signal) -> Option<&Frame> {
    let by_main = signal.target.tid == Some(signal.target.pid);
    signal.interrupted.as_ref().filter(|_| by_main)?.frame.as_ref()
}

/// The line that made it late; where that is not known, the handler.
fn cause(signal: &Signal) -> Option<&Frame> {
    arrived_at(signal).or_else(|| signal.handler.as_ref()?.frame.as_ref())
}
