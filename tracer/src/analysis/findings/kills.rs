//! Who killed whom.

use super::{Found, at, own, place, process};
use crate::report::{FindingKind, Frame, Origin, Outcome, Report, Severity, Signal};

/// One sentence for each signal that killed a process.
pub fn kills(report: &Report) -> Vec<Found> {
    let killed = report.signals.rows.iter().filter(|signal| signal.outcome == Outcome::Killed);
    killed.map(|signal| kill(report, signal)).collect()
}

fn kill(report: &Report, signal: &Signal) -> Found {
    let victim = process(report, signal.target.pid);
    let text = format!("{} {} {victim}{}", signal.signal, from(signal), doing(signal));
    Found::new(FindingKind::SignalKill, severity(report, signal), signal.target.pid, text)
        .at(line(signal))
        .with("signal", signal.signal.as_str())
        .with("origin", signal.origin.as_str())
        .with("at_ns", signal.at_ns)
        .with("sender_pid", signal.sender.as_ref().map(|sender| u64::from(sender.pid)))
}

/// `from pid 1 (systemd) killed`
fn from(signal: &Signal) -> String {
    match (&signal.sender, signal.origin) {
        (Some(sender), _) if sender.pid == signal.target.pid => "that it sent to itself killed".into(),
        (Some(sender), _) => {
            let line = at(signal.sender_stack.as_ref());
            format!("from pid {} ({}, uid {}){line} killed", sender.pid, sender.comm, sender.uid)
        }
        (None, Origin::Timer) => "of a timer killed".into(),
        (None, Origin::Fault) => "after a fault of its own killed".into(),
        (None, Origin::Oom) => "from the kernel, which was out of memory, killed".into(),
        (None, _) => "from the kernel killed".into(),
    }
}

/// Where a fault was; what a process that is killed by others was doing explains nothing.
fn doing(signal: &Signal) -> String {
    let frame = signal.interrupted.as_ref().and_then(|interrupted| interrupted.frame.as_ref());
    let fault = frame.filter(|_| signal.origin == Origin::Fault);
    fault.map_or_else(String::new, |frame| format!(" at {}", place(frame)))
}

fn line(signal: &Signal) -> Option<&Frame> {
    let interrupted = || signal.interrupted.as_ref()?.frame.as_ref();
    own(signal.sender_stack.as_ref()).or_else(interrupted)
}

/// A process that ends its own children means to.
fn severity(report: &Report, signal: &Signal) -> Severity {
    let traced = |pid| report.target.processes.rows.iter().any(|process| process.pid == pid);
    let other = |pid| pid != signal.target.pid;
    match &signal.sender {
        Some(sender) if traced(sender.pid) && other(sender.pid) => Severity::Info,
        _ => Severity::Critical,
    }
}
