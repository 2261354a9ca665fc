//! Which process killed which.

use super::senders::{POLITE, SIGABRT, sent_by};
use super::{RankedFinding, at_called, ends, grouped, own, place, process, when};
use crate::report::{FindingKind, Frame, HandlerState, Name, Origin, Outcome, Report, Severity, Signal};
use crate::units::duration;

const SIGKILL: u32 = 9;
/// Victims that a sentence names.
const NAMED: usize = 3;

/// One sentence for the signals of one line that killed processes.
pub fn kills(report: &Report) -> Vec<RankedFinding> {
    let killed = report.signals.rows.iter().filter(|signal| signal.outcome == Outcome::Killed);
    let services = ends::services(report);
    let is_reported = |signal: &Signal| services.iter().any(|service| service.covers(signal.target.pid));
    let killed = killed.filter(|signal| !is_reported_by_group(report, signal) && !is_reported(signal));
    // A loop that kills its children is one line, and one sentence.
    let by = |signal: &&Signal| {
        let sender = signal.sender.as_ref().map(|sender| sender.pid).filter(|_| !is_alone(signal));
        let line = own(leads(report, signal).sender_stack.as_ref()).cloned();
        let fault = is_crash(report, signal).then(|| line_of(signal).cloned()).flatten();
        let alone = alone(report, signal);
        (signal.number, signal.origin, sender, line, alone, fault, warned(report, signal).map(Warned::how))
    };
    grouped(killed, by).iter().map(|group| kill(report, group)).collect()
}

/// A signal that was sent before the SIGKILL, so that its receiver might end by itself.
struct Warned<'a> {
    first: &'a Signal,
    before_ns: u64,
}

/// What the SIGKILL followed, if it did, from any sender: a manager of services leaves the kill to another thread.
fn warned<'a>(report: &'a Report, kill: &Signal) -> Option<Warned<'a>> {
    let first = asked_before(report, kill).rfind(|_| kill.number == SIGKILL)?;
    Some(Warned { first, before_ns: kill.at_ns - first.at_ns })
}

/// Signals by which its victim was asked to end before that.
fn asked_before<'a>(report: &'a Report, kill: &Signal) -> impl DoubleEndedIterator<Item = &'a Signal> {
    let (pid, at_ns) = (kill.target.pid, kill.at_ns);
    report.signals.rows.iter().filter(move |signal| {
        signal.target.pid == pid
            && POLITE.contains(&signal.number)
            && signal.at_ns < at_ns
            && signal.at_ns + ends::GRACE > at_ns
    })
}

/// The signal that began it: a second one, of the same sender, only ends what goes to its end already.
fn leads<'a>(report: &'a Report, kill: &'a Signal) -> &'a Signal {
    let sender = |signal: &Signal| signal.sender.as_ref().map(|sender| sender.pid);
    let is_it = |first: &&Signal| first.outcome == Outcome::Handled && sender(first) == sender(kill);
    let first = asked_before(report, kill).find(is_it).filter(|_| kill.number != SIGKILL);
    first.unwrap_or(kill)
}

impl<'a> Warned<'a> {
    /// What was the matter, and where: what is the same for several is said once.
    fn how(self) -> (u32, Outcome, HandlerState, Option<&'a Frame>) {
        let Signal { number, outcome, handler_state, .. } = *self.first;
        (number, outcome, handler_state, self.place())
    }

    fn place(&self) -> Option<&'a Frame> {
        let interrupted = self.first.interrupted.as_ref()?;
        interrupted.frame.as_ref().filter(|_| self.first.handler_state == HandlerState::Pending)
    }

    /// `, 92.0 ms after a SIGABRT whose handler had not started: it arrived at app.py:6 in app`
    fn sentence(&self, victims: usize) -> String {
        let (what, each) = (&self.first.signal, if victims == 1 { "" } else { " each" });
        let came = self.place().map_or_else(String::new, |frame| format!(": it arrived at {}", place(frame)));
        let matter = match (self.first.handler_state, self.first.outcome) {
            (HandlerState::Pending, _) => format!("whose handler had not started{came}"),
            (HandlerState::Started, _) => "whose handler had started".into(),
            (_, Outcome::Ignored) => "that was ignored".into(),
            (_, Outcome::Blocked) => "that was blocked".into(),
            _ => "that did not end it".into(),
        };
        let about = if victims == 1 { "" } else { "about " };
        format!(", {about}{} after a {what}{each} {matter}", duration(self.before_ns))
    }
}

/// What a process did to itself is reported with what others of its name did, and a crash with those of the same parent.
fn alone<'a>(report: &'a Report, signal: &Signal) -> Option<(Option<u32>, Option<&'a Name>)> {
    let itself = is_alone(signal).then_some(signal.target.pid)?;
    let process = ends::row(report, itself);
    let parent = process.map(|process| process.ppid).filter(|_| is_crash(report, signal));
    Some((parent, process.map(|process| &process.comm)))
}

fn is_alone(signal: &Signal) -> bool {
    signal.sender.as_ref().is_none_or(|sender| sender.pid == Some(signal.target.pid))
}

fn kill(report: &Report, group: &[&Signal]) -> RankedFinding {
    let kill = group[0];
    let first = leads(report, kill);
    let rest = match warned(report, kill) {
        Some(warned) => warned.sentence(group.len()),
        None if !std::ptr::eq(first, kill) => again(first, kill, group.len()),
        None => String::new(),
    };
    let named = if rest.is_empty() { named_where(report, group) } else { named(report, group) };
    let lead = if group.len() >= ends::LOOP && is_crash(report, kill) { "crash loop: " } else { "" };
    let last = if group.len() == 1 { first } else { group[group.len() - 1] };
    let at_ns = [first.at_ns, last.at_ns];
    let from = from(report, first, group.len());
    let text = format!("{lead}{} {from} {named}{rest} ({})", first.signal, when(at_ns));
    let severity = severity(report, kill);
    RankedFinding::new(FindingKind::SignalKill, severity, kill.target.pid, text)
        .leads_by(first.at_ns)
        .at(line(report, first))
        .with("signal", first.signal.as_str())
        .with("origin", first.origin.as_str())
        .with("at_ns", first.at_ns)
        .with("last_at_ns", at_ns[1])
        .with("killed", group.len() as u64)
        .with("sender_pid", first.sender.as_ref().and_then(|sender| sender.pid).map(u64::from))
}

/// `2 processes: pid 8 (worker), pid 9 (worker)`
fn named(report: &Report, group: &[&Signal]) -> String {
    listed(group, |signal| process(report, signal.target.pid))
}

/// The same, each with where it was.
fn named_where(report: &Report, group: &[&Signal]) -> String {
    listed(group, |signal| {
        let which = if group.len() == 1 && !is_crash(report, signal) { ", which was" } else { "" };
        let place = doing(report, signal).map_or_else(String::new, |place| format!("{which} at {place}"));
        format!("{}{place}", process(report, signal.target.pid))
    })
}

fn listed(group: &[&Signal], name: impl Fn(&Signal) -> String) -> String {
    let names: Vec<_> = group.iter().take(NAMED).map(|signal| name(signal)).collect();
    match group.len() {
        1 => names[0].clone(),
        many if many > NAMED => format!("{many} processes: {} and others", names.join(", ")),
        many => format!("{many} processes: {}", names.join(", ")),
    }
}

/// `; it arrived at app.py:3 in f, and a second SIGTERM, 3.00 ms later at pool.py:914 in on_death, killed it`
fn again(first: &Signal, kill: &Signal, victims: usize) -> String {
    let came = first.interrupted.as_ref().and_then(|interrupted| interrupted.frame.as_ref());
    let came = came.map_or_else(String::new, |frame| format!("; it arrived at {}", place(frame)));
    let later = duration(kill.at_ns.saturating_sub(first.at_ns));
    let (line, it) = (at_called(kill.sender_stack.as_ref()), if victims == 1 { "it" } else { "them" });
    let second = if kill.number == first.number { "second" } else { "following" };
    format!("{came}, and a {second} {}, {later} later{line}, killed {it}", kill.signal)
}

/// Whether the sentence about a whole call covers this signal, too.
fn is_reported_by_group(report: &Report, signal: &Signal) -> bool {
    /// A call reaches all members of a group within that time.
    const ONE_CALL: u64 = 1_000_000_000;
    report.processes.kills.rows.iter().any(|kill| {
        kill.number == signal.number
            && signal.at_ns.abs_diff(kill.at_ns) < ONE_CALL
            && kill.reached.iter().any(|reached| reached.pid == signal.target.pid)
    })
}

/// `from pid 1 (systemd) killed`
fn from(report: &Report, signal: &Signal, victims: usize) -> String {
    match (&signal.sender, signal.origin) {
        (_, Origin::Fault) => "of its own code (a crash) killed".into(),
        _ if is_crash(report, signal) => "of its own code (a crash) killed".into(),
        (Some(sender), _) if sender.pid == Some(signal.target.pid) => {
            let each = if victims == 1 { "the process" } else { "each" };
            format!("that {each} sent to itself killed")
        }
        (Some(_), _) => format!("{} killed", sent_by(signal)),
        (None, Origin::Timer) => "from a timer killed".into(),
        (None, Origin::Oom) => {
            let group = cgroup(report, signal.target.pid);
            format!("from the kernel, because memory ran out{group}, killed")
        }
        (None, _) => "from the kernel killed".into(),
    }
}

/// ` in control group /shop`
fn cgroup(report: &Report, pid: u32) -> String {
    let group = ends::row(report, pid).and_then(|process| process.cgroup.as_ref());
    group.map_or_else(String::new, |group| format!(" in control group {group}"))
}

/// Whether a fault killed it, at once or by way of a handler in C that reports it first and then sends the signal
/// again: faulthandler. <https://github.com/python/cpython/blob/v3.13.0/Modules/faulthandler.c#L374>
fn is_crash(report: &Report, signal: &Signal) -> bool {
    let is_fault = |before: &Signal| {
        before.origin == Origin::Fault
            && (before.number, before.target.pid) == (signal.number, signal.target.pid)
            && before.at_ns <= signal.at_ns
    };
    is_alone(signal) && report.signals.rows.iter().any(is_fault)
}

/// Where its victim was: a fault's innermost line, and otherwise the line that a person can change, with the call that it
/// was in.
fn doing(report: &Report, signal: &Signal) -> Option<String> {
    let interrupted = signal.interrupted.as_ref();
    let frame = interrupted.and_then(|interrupted| interrupted.frame.as_ref());
    let ended_in = ends::row(report, signal.target.pid).and_then(|process| process.ended_in.as_ref());
    let main = ended_in.and_then(|ended| own(ended.stack.as_ref()));
    if is_crash(report, signal) {
        let caller = caller_of_fault(report, signal).filter(|caller| Some(*caller) != frame);
        let caller = caller.map_or_else(String::new, |caller| format!(", called from {}", place(caller)));
        return frame.map(|frame| format!("{}{caller}", place(frame)));
    }
    let call = ended_in.filter(|_| main.is_some()).and_then(ends::call);
    Some(format!("{}{}", place(main.or(frame)?), call.unwrap_or_default()))
}

/// The line that a person can change, where the main thread did what it should not.
fn caller_of_fault<'a>(report: &'a Report, signal: &Signal) -> Option<&'a Frame> {
    let stack = ends::row(report, signal.target.pid)?.ended_in.as_ref()?.stack.as_ref();
    own(stack.filter(|stack| stack.first() == line_of(signal)))
}

fn line<'a>(report: &'a Report, signal: &'a Signal) -> Option<&'a Frame> {
    let fault = || caller_of_fault(report, signal);
    own(signal.sender_stack.as_ref()).or_else(fault).or_else(|| line_of(signal))
}

/// Where the receiver was.
fn line_of(signal: &Signal) -> Option<&Frame> {
    signal.interrupted.as_ref()?.frame.as_ref()
}

/// A process that ends its own children means to, unless it had asked them to end before. One that aborts them has given
/// them up, and so has one that kills workers.
fn severity(report: &Report, signal: &Signal) -> Severity {
    let other = |pid| pid != Some(signal.target.pid);
    match &signal.sender {
        Some(sender) if ends::is_traced(report, sender.pid) && other(sender.pid) => {
            match warned(report, signal) {
                _ if leads(report, signal).number == SIGABRT => Severity::Critical,
                Some(warned) if warned.first.number == SIGABRT => Severity::Critical,
                Some(_) => Severity::Warn, // it was to end by itself, and did not
                // uWSGI gives its workers up like this.
                None if signal.number == SIGKILL && ends::is_worker(report, signal.target.pid) => {
                    Severity::Warn
                }
                None => Severity::Info,
            }
        }
        _ => Severity::Critical,
    }
}
