//! Processes that were asked to end, and did not.

use super::ends::{TO_END, is_traced, row};
use super::senders::sent_by;
use super::waits::{blocked_in, of_process};
use super::{RankedFinding, own, process, when};
use crate::report::{FindingKind, HandlerState, Origin, Outcome, Report, Severity, Signal, SwitchCause};
use crate::units::duration;

/// A process needs some time to end.
const PATIENCE_NS: u64 = 1_000_000_000;

/// One sentence for each process that was asked from outside to end, whose handler ran, and that has stayed. What it
/// asked of its own children is its own matter.
pub fn stays(report: &Report) -> Vec<RankedFinding> {
    let mut asked = Vec::<&Signal>::new();
    for signal in report.signals.rows.iter().filter(|signal| has_no_effect(report, signal)) {
        if asked.iter().all(|before| before.target.pid != signal.target.pid) {
            asked.push(signal);
        }
    }
    asked.into_iter().map(|signal| stay(report, signal)).collect()
}

fn has_no_effect(report: &Report, signal: &Signal) -> bool {
    let is_asked = TO_END.contains(&signal.number)
        && signal.origin != Origin::Fault
        && signal.outcome == Outcome::Handled
        && signal.handler_state == HandlerState::Started;
    let is_from_outside = signal.sender.as_ref().is_some_and(|sender| !is_traced(report, sender.pid));
    let lives = row(report, signal.target.pid)
        .is_some_and(|process| process.python.is_some() && process.ended_at_ns.is_none());
    is_asked && is_from_outside && lives && waited(report, signal) >= PATIENCE_NS
}

/// How long it has stayed since.
fn waited(report: &Report, signal: &Signal) -> u64 {
    report.window.duration_ns.saturating_sub(signal.at_ns)
}

/// `pid 7 (app) has not ended 4.20 s after SIGTERM from pid 1 (systemd, uid 0), though its handler ran: it is asleep in …`
fn stay(report: &Report, signal: &Signal) -> RankedFinding {
    let pid = signal.target.pid;
    let asleep = main_thread(report, pid);
    let where_ = asleep.map_or_else(String::new, |row| format!(": it is asleep {}", blocked_in(row)));
    let text = format!(
        "{} has not ended {} after {} {}, though its handler ran{where_} ({})",
        process(report, pid),
        duration(waited(report, signal)),
        signal.signal,
        sent_by(signal),
        when([signal.at_ns; 2]),
    );
    RankedFinding::new(FindingKind::Stuck, Severity::Warn, pid, text)
        .costs(waited(report, signal))
        .at(asleep.and_then(|row| own(row.stack.as_ref())))
        .with("signal", signal.signal.as_str())
        .with("at_ns", signal.at_ns)
        .with("sender_pid", signal.sender.as_ref().and_then(|sender| sender.pid).map(u64::from))
}

/// Where its main thread sleeps at the end, if it does: its outermost frame is a module.
fn main_thread(report: &Report, pid: u32) -> Option<&SwitchCause> {
    let is_main = |row: &&SwitchCause| {
        let outermost = row.stack.as_ref().and_then(|stack| stack.last());
        outermost.is_some_and(|frame| frame.function.as_bytes() == b"<module>")
    };
    of_process(report, pid).filter(|row| row.still_blocked > 0).find(is_main)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SECOND, frame, report, text};
    use super::*;
    use crate::report::{Cause, Frame, Handler, Sender, SignalTarget, TargetProcess};

    #[test]
    fn who_stays_though_it_was_asked_to_end_is_reported_with_where() {
        let term = Signal {
            signal: "SIGTERM".into(),
            number: 15,
            count: 1,
            at_ns: 4 * SECOND,
            sender: Some(Sender { pid: Some(99), tid: Some(99), comm: "bash".into(), uid: 0 }),
            origin: Origin::Kill,
            target: SignalTarget { pid: 20, tid: Some(20), group: true },
            handler_state: HandlerState::Started,
            handler: Some(Handler { started_after_ns: Some(1_000), ..Handler::default() }),
            outcome: Outcome::Handled,
            ..Signal::default()
        };
        let module = Frame { function: "<module>".into(), ..frame("a.py:9") };
        let row = SwitchCause {
            pid: 20,
            cause: Cause::Lock,
            syscall: Some("futex".into()),
            count: 1,
            still_blocked: 1,
            stack: Some(vec![frame("a.py:3"), module]),
            ..SwitchCause::default()
        };
        let stays = TargetProcess {
            pid: 20,
            comm: "app".into(),
            python: Some("3.12.1".into()),
            ..TargetProcess::default()
        };
        let expected = "pid 20 (app) has not ended 6.00 s after SIGTERM from pid 99 (bash, uid 0), though its handler ran: it is \
                        asleep in futex at a.py:3 in f (4.00 s after the start)";
        let late = Signal { at_ns: 9 * SECOND + SECOND / 2, ..term.clone() };
        let own = Signal {
            sender: Some(Sender { pid: Some(7), ..term.sender.clone().expect("just made") }),
            ..term.clone()
        };
        let reload = Signal { number: 1, signal: "SIGHUP".into(), ..term.clone() };
        let ended = TargetProcess { ended_at_ns: Some(5 * SECOND), ..stays.clone() };
        for (name, process, signals, expected) in [
            ("it stays", &stays, vec![term.clone()], &[expected][..]),
            ("asked twice", &stays, vec![term.clone(), late.clone()], &[expected]),
            ("just asked", &stays, vec![late], &[]),
            ("by its own master", &stays, vec![own], &[]),
            ("not to end", &stays, vec![reload], &[]),
            ("it ended", &ended, vec![term], &[]),
        ] {
            let mut report = report();
            report.target.processes.rows.push(process.clone());
            report.switches.causes = vec![row.clone()].into();
            report.signals = signals.into();
            assert_eq!(text(&report), expected, "{name}");
        }
    }
}
