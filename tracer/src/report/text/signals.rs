//! Signals: who sent them, which process they reached, and what became of them.

use std::collections::BTreeMap;

use super::and_more;
use super::page::{Ink, Page};
use super::place::place;
use super::table::{Cell, Setting, Table};
use crate::report::{
    Bounded, Disposition, Handler, HandlerState, HandlerWait, Origin, Outcome, Signal, SignalTarget,
};
use crate::units::{count, counted, duration, known};

/// Rows that are shown: of signals that are alike, one.
const SHOWN: usize = 6;
/// Less is usual.
const NOTABLE_NS: u64 = 1_000_000;

pub fn write(page: &mut Page, signals: &Bounded<Signal>) {
    if signals.is_empty() {
        return page.quiet_section("SIGNALS", "none seen");
    }
    let all = counted(signals.sum().totals.count, "signal");
    let is_shown = |signal: &Signal| page.is_full() || is_news(signal);
    let (notable, rest): (Vec<_>, Vec<_>) = folded(&signals.rows).into_iter().partition(is_shown);
    let notable = Bounded { rows: notable, rest: signals.rest };
    if notable.is_empty() {
        return page.quiet_section("SIGNALS", &of_rest(&rest).unwrap_or(all));
    }
    page.section("SIGNALS", Ink::Plain, &all);
    let (shown, others) = notable.top(page.most(SHOWN));
    table(page, shown).write(page);
    if let Some(others) = others {
        and_more(page, others.omitted, &counted(others.totals.count, "signal"));
    }
    if let Some(rest) = of_rest(&rest) {
        page.prose(Ink::Faint, 2, &rest);
    }
}

/// Whether something followed from it: not of a child's end that no Python handler was called for, nor of what was ignored.
pub fn is_news(signal: &Signal) -> bool {
    let is_usual = signal.origin == Origin::Child
        && signal.handler_state == HandlerState::None
        && matches!(signal.outcome, Outcome::Handled | Outcome::Coalesced);
    signal.outcome != Outcome::Ignored && !is_usual
}

/// `17 that no Python handler was called for: SIGCHLD 16, SIGWINCH 1`
fn of_rest(rest: &[Signal]) -> Option<String> {
    let mut kinds = BTreeMap::<&str, u64>::new();
    for signal in rest {
        *kinds.entry(&signal.signal).or_default() += signal.count;
    }
    if kinds.is_empty() {
        return None;
    }
    let all = count(kinds.values().sum());
    let kinds: Vec<_> =
        kinds.into_iter().map(|(signal, times)| format!("{signal} {}", count(times))).collect();
    Some(format!("{all} that no Python handler was called for: {}", kinds.join(", ")))
}

/// Signals that differ in their times only, as one: of these the one whose handler waited longest.
fn folded(signals: &[Signal]) -> Vec<Signal> {
    let mut folded: Vec<Signal> = Vec::new();
    for signal in signals {
        match folded.iter_mut().find(|known| is_alike(known, signal)) {
            Some(known) if waited(known) < waited(signal) => {
                let (at_ns, count) = (known.at_ns, known.count + signal.count);
                *known = Signal { at_ns, count, ..signal.clone() };
            }
            Some(known) => known.count += signal.count,
            None => folded.push(signal.clone()),
        }
    }
    // What was ignored comes last.
    folded.sort_by_key(|signal| signal.outcome == Outcome::Ignored);
    folded
}

fn is_alike(one: &Signal, other: &Signal) -> bool {
    let about =
        |signal: &Signal| (signal.number, signal.origin, signal.target, signal.outcome, signal.handler_state);
    let sender = |signal: &Signal| signal.sender.as_ref().map(|sender| sender.pid);
    let place = |signal: &Signal| signal.sender_stack.as_ref().and_then(|stack| stack.first().cloned());
    let reason = |signal: &Signal| signal.handler.as_ref().and_then(|handler| handler.waited_for);
    about(one) == about(other)
        && (sender(one), place(one), reason(one)) == (sender(other), place(other), reason(other))
}

/// How long until the handler began, or, where that is not known, until the delivery.
fn waited(signal: &Signal) -> Option<u64> {
    let began = signal.handler.as_ref().and_then(|handler| handler.started_after_ns);
    began.or(signal.delivered_after_ns)
}

fn table(page: &Page, signals: &[Signal]) -> Table {
    let mut table = Table::new([
        ("at", Setting::Figure),
        ("signal", Setting::Word),
        ("from", Setting::Flexible),
        ("to", Setting::Word),
        ("delivered", Setting::Figure),
        ("handler", Setting::Figure),
        ("outcome", Setting::Word),
    ]);
    for signal in signals {
        table.row(ink(signal), cells(signal));
        let usual = !page.is_full() && signal.outcome == Outcome::Handled && delay(signal).is_none();
        let notes = [handler(signal), delay(signal), interrupted(signal).filter(|_| !usual)];
        notes.into_iter().flatten().for_each(|note| table.note(Ink::Plain, note));
        table.stack(page, "sent at", signal.sender_stack.as_ref());
    }
    table
}

fn ink(signal: &Signal) -> Ink {
    match (signal.outcome, signal.handler_state) {
        (Outcome::Killed, _) => Ink::Critical,
        (Outcome::Blocked | Outcome::Pending, _) | (_, HandlerState::Pending) => Ink::Warn,
        _ => Ink::Plain,
    }
}

fn cells(signal: &Signal) -> [Cell; 7] {
    let times = if signal.count > 1 { format!(" × {}", count(signal.count)) } else { String::new() };
    let began = signal.handler.as_ref().and_then(|handler| handler.started_after_ns);
    [
        duration(signal.at_ns).into(),
        format!("{}{times}", signal.signal).into(),
        from(signal).into(),
        to(signal.target).into(),
        known(signal.delivered_after_ns.map(after)).into(),
        known(began.map(after)).into(),
        signal.outcome.as_str().into(),
    ]
}

fn after(ns: u64) -> String {
    format!("+{}", duration(ns))
}

pub(in crate::report) fn from(signal: &Signal) -> String {
    let origin = origin(signal.origin);
    match &signal.sender {
        Some(sender) => {
            let pid = sender.pid.map_or_else(|| "outside:".to_owned(), |pid| pid.to_string());
            format!("{pid} {} (uid {}){}", sender.comm, sender.uid, with_comma(origin))
        }
        None => origin.unwrap_or("unknown").to_string(),
    }
}

fn with_comma(origin: Option<&str>) -> String {
    origin.map_or_else(String::new, |origin| format!(", {origin}"))
}

/// What is to be said of the origin beyond its sender.
fn origin(origin: Origin) -> Option<&'static str> {
    match origin {
        Origin::Kill | Origin::Tgkill | Origin::Unknown => None,
        Origin::Sigqueue => Some("sigqueue"),
        Origin::Timer => Some("timer"),
        Origin::Fault => Some("own fault"),
        Origin::Child => Some("child changed state"),
        Origin::Oom => Some("kernel, out of memory"),
        Origin::Kernel => Some("kernel"),
    }
}

pub(in crate::report) fn to(target: SignalTarget) -> String {
    target.tid.map_or_else(|| target.pid.to_string(), |tid| format!("{}/{tid}", target.pid))
}

pub(in crate::report) fn handler(signal: &Signal) -> Option<String> {
    let handler = signal.handler.as_ref();
    match (signal.handler_state, signal.outcome, signal.disposition) {
        (HandlerState::Started, ..) => Some(ran(handler)),
        (HandlerState::Pending, ..) => Some(format!("{} has not started", named(handler))),
        (HandlerState::None, Outcome::Handled, None) => Some("taken by sigwait or signalfd".to_string()),
        (_, Outcome::Handled, Some(Disposition::C)) => Some("handled by a C function".to_string()),
        (HandlerState::Unknown, Outcome::Handled, Some(Disposition::Python)) => {
            Some("when its Python handler ran is not known".to_string())
        }
        _ => None,
    }
}

fn ran(handler: Option<&Handler>) -> String {
    let ended = handler.and_then(|handler| handler.ended_after_ns);
    let ended = ended.map_or_else(String::new, |ended| format!(", returned at {}", after(ended)));
    format!("{} ran{ended}", named(handler))
}

fn named(handler: Option<&Handler>) -> String {
    let frame = handler.and_then(|handler| handler.frame.as_ref());
    frame.map_or_else(|| "the handler".to_string(), place)
}

/// What kept the handler waiting, if anything did, and how long the machine had no CPU for it.
pub(in crate::report) fn delay(signal: &Signal) -> Option<String> {
    let handler = signal.handler.as_ref()?;
    let reason = handler.waited_for.and_then(reason).map(str::to_owned);
    let queued = handler.run_queue_ns.filter(|&ns| ns >= NOTABLE_NS);
    let queued = queued.map(|ns| format!("the main thread waited {} for a CPU", duration(ns)));
    let reasons: Vec<_> = [reason, queued].into_iter().flatten().collect();
    (!reasons.is_empty()).then(|| format!("late because {}", reasons.join("; ")))
}

fn reason(reason: HandlerWait) -> Option<&'static str> {
    match reason {
        HandlerWait::Nothing => None,
        HandlerWait::CCall => Some("the main thread was in a C function"),
        HandlerWait::Gil => Some("the main thread waited for the GIL"),
        HandlerWait::WrongThread => Some("another thread received the signal, and the main thread slept on"),
        HandlerWait::Blocked => Some("the signal was blocked"),
        HandlerWait::Nested => Some("another handler was running"),
    }
}

pub(in crate::report) fn interrupted(signal: &Signal) -> Option<String> {
    let interrupted = signal.interrupted.as_ref()?;
    match (&interrupted.syscall, &interrupted.frame) {
        (Some(syscall), Some(frame)) => Some(format!("interrupted {syscall} at {}", place(frame))),
        (Some(syscall), None) => Some(format!("interrupted {syscall}")),
        (None, Some(frame)) => Some(format!("arrived at {}", place(frame))),
        (None, None) => None,
    }
}
