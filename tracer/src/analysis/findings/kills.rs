//! Who killed whom.

use super::{Found, at, grouped, own, place, process};
use crate::report::{FindingKind, Frame, HandlerState, Origin, Outcome, Report, Severity, Signal};
use crate::units::duration;

const SIGKILL: u32 = 9;
/// Victims that a sentence names.
const NAMED: usize = 3;

/// One sentence for the signals of one line that killed processes.
pub fn kills(report: &Report) -> Vec<Found> {
    let killed = report.signals.rows.iter().filter(|signal| signal.outcome == Outcome::Killed);
    let killed = killed.filter(|signal| !is_told_by_group(report, signal));
    // A loop that kills its children is one line, and one sentence.
    let by = |signal: &&Signal| {
        let sender = signal.sender.as_ref().map(|sender| sender.pid);
        let line = own(signal.sender_stack.as_ref()).cloned();
        (signal.number, signal.origin, sender, line, alone(signal), warned(report, signal).map(Warned::how))
    };
    grouped(killed, by).iter().map(|group| kill(report, group)).collect()
}

/// A signal that was sent before the SIGKILL, so that its receiver might end by itself.
struct Warned<'a> {
    first: &'a Signal,
    before_ns: u64,
}

/// What the SIGKILL followed, if it did.
fn warned<'a>(report: &'a Report, kill: &Signal) -> Option<Warned<'a>> {
    const POLITE: [u32; 5] = [1, 2, 3, 6, 15];
    let sender = |signal: &Signal| signal.sender.as_ref().map(|sender| sender.pid);
    let is_it = |signal: &&Signal| {
        signal.target.pid == kill.target.pid
            && POLITE.contains(&signal.number)
            && signal.at_ns < kill.at_ns
            && sender(signal) == sender(kill)
    };
    let first = report.signals.rows.iter().filter(|_| kill.number == SIGKILL).rfind(is_it)?;
    Some(Warned { first, before_ns: kill.at_ns - first.at_ns })
}

impl<'a> Warned<'a> {
    /// What was the matter, and where: what is the same for several is told once.
    fn how(self) -> (u32, Outcome, HandlerState, Option<&'a Frame>) {
        let Signal { number, outcome, handler_state, .. } = *self.first;
        (number, outcome, handler_state, self.place())
    }

    fn place(&self) -> Option<&'a Frame> {
        let interrupted = self.first.interrupted.as_ref()?;
        interrupted.frame.as_ref().filter(|_| self.first.handler_state == HandlerState::Pending)
    }

    /// `, 92.0 ms after a SIGABRT whose handler had not begun: it came at app.py:6 in app`
    fn told(&self, victims: usize) -> String {
        let (what, each) = (&self.first.signal, if victims == 1 { "" } else { " each" });
        let came = self.place().map_or_else(String::new, |frame| format!(": it came at {}", place(frame)));
        let matter = match (self.first.handler_state, self.first.outcome) {
            (HandlerState::Pending, _) => format!("whose handler had not begun{came}"),
            (HandlerState::Started, _) => "whose handler had begun".into(),
            (_, Outcome::Ignored) => "that was ignored".into(),
            (_, Outcome::Blocked) => "that was blocked".into(),
            _ => "that did not end it".into(),
        };
        let about = if victims == 1 { "" } else { "about " };
        format!(", {about}{} after a {what}{each} {matter}", duration(self.before_ns))
    }
}

/// What a process did to itself is told by itself.
fn alone(signal: &Signal) -> Option<u32> {
    let itself = signal.sender.as_ref().is_none_or(|sender| sender.pid == Some(signal.target.pid));
    itself.then_some(signal.target.pid)
}

fn kill(report: &Report, group: &[&Signal]) -> Found {
    let signal = group[0];
    let victims: Vec<_> = group.iter().take(NAMED).map(|signal| process(report, signal.target.pid)).collect();
    let victims = match group.len() {
        1 => victims[0].clone(),
        many if many > NAMED => format!("{many} processes: {} and others", victims.join(", ")),
        many => format!("{many} processes: {}", victims.join(", ")),
    };
    let rest =
        warned(report, signal).map_or_else(|| doing(report, signal), |warned| warned.told(group.len()));
    let text = format!("{} {} {victims}{rest}", signal.signal, from(report, signal));
    Found::new(FindingKind::SignalKill, severity(report, signal), signal.target.pid, text)
        .at(line(signal))
        .with("signal", signal.signal.as_str())
        .with("origin", signal.origin.as_str())
        .with("at_ns", signal.at_ns)
        .with("killed", group.len() as u64)
        .with("sender_pid", signal.sender.as_ref().and_then(|sender| sender.pid).map(u64::from))
}

/// Whether the sentence about a whole call tells of this signal, too.
fn is_told_by_group(report: &Report, signal: &Signal) -> bool {
    /// A call reaches all members of a group within that time.
    const ONE_CALL: u64 = 1_000_000_000;
    report.processes.kills.rows.iter().any(|kill| {
        kill.number == signal.number
            && signal.at_ns.abs_diff(kill.at_ns) < ONE_CALL
            && kill.reached.iter().any(|reached| reached.pid == signal.target.pid)
    })
}

/// `from pid 1 (systemd) killed`
fn from(report: &Report, signal: &Signal) -> String {
    match (&signal.sender, signal.origin) {
        (_, Origin::Fault) => "after a fault of its own killed".into(),
        _ if is_crash(report, signal) => "after a fault of its own killed".into(),
        (Some(sender), _) if sender.pid == Some(signal.target.pid) => "that it sent to itself killed".into(),
        (Some(sender), _) => {
            let line = at(signal.sender_stack.as_ref());
            format!("from {} ({}, uid {}){line} killed", sender.process(), sender.comm, sender.uid)
        }
        (None, Origin::Timer) => "of a timer killed".into(),
        (None, Origin::Oom) => {
            let group = cgroup(report, signal.target.pid);
            format!("from the kernel, as memory ran out{group}, killed")
        }
        (None, _) => "from the kernel killed".into(),
    }
}

/// ` in control group /shop`
fn cgroup(report: &Report, pid: u32) -> String {
    let row = report.target.processes.rows.iter().rfind(|process| process.pid == pid);
    let group = row.and_then(|process| process.cgroup.as_ref());
    group.map_or_else(String::new, |group| format!(" in control group {group}"))
}

/// Whether a fault killed it, at once or by way of a handler in C that looks at it first and then sends the signal
/// again: faulthandler. <https://github.com/python/cpython/blob/v3.13.0/Modules/faulthandler.c#L374>
fn is_crash(report: &Report, signal: &Signal) -> bool {
    let is_fault = |before: &Signal| {
        before.origin == Origin::Fault
            && (before.number, before.target.pid) == (signal.number, signal.target.pid)
            && before.at_ns <= signal.at_ns
    };
    alone(signal).is_some() && report.signals.rows.iter().any(is_fault)
}

/// Where a fault was; what a process that is killed by others was doing explains nothing.
fn doing(report: &Report, signal: &Signal) -> String {
    let frame = signal.interrupted.as_ref().and_then(|interrupted| interrupted.frame.as_ref());
    let fault = frame.filter(|_| is_crash(report, signal));
    fault.map_or_else(String::new, |frame| format!(" at {}", place(frame)))
}

fn line(signal: &Signal) -> Option<&Frame> {
    let interrupted = || signal.interrupted.as_ref()?.frame.as_ref();
    own(signal.sender_stack.as_ref()).or_else(interrupted)
}

/// A process that ends its own children means to.
fn severity(report: &Report, signal: &Signal) -> Severity {
    let traced = |pid| report.target.processes.rows.iter().any(|process| Some(process.pid) == pid);
    let other = |pid| pid != Some(signal.target.pid);
    match &signal.sender {
        Some(sender) if traced(sender.pid) && other(sender.pid) => match warned(report, signal) {
            Some(_) => Severity::Warn, // it was to end by itself, and did not
            None => Severity::Info,
        },
        _ => Severity::Critical,
    }
}
