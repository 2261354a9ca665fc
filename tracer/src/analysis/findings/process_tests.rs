//! Sentences about processes: kills and polls.

use super::tests::{SECOND, frame, report, reported, text};
use crate::report::{
    FindingKind, Frame, HandlerState, HotStack, Interrupted, Kill, KillAim, KillEnd, KillReached, Origin,
    Outcome, Sender, Severity, Signal, SignalTarget,
};

#[test]
fn a_sigkill_is_reported_with_the_signal_that_went_before() {
    let by = |pid| Some(Sender { pid: Some(pid), tid: Some(pid), comm: "app".into(), uid: 0 });
    let target = SignalTarget { pid: 8, tid: Some(8), group: true };
    let killed = Signal {
        signal: "SIGKILL".into(),
        number: 9,
        at_ns: 3 * SECOND,
        sender: by(7),
        target,
        outcome: Outcome::Killed,
        origin: Origin::Kill,
        ..Signal::default()
    };
    let first = Signal {
        signal: "SIGABRT".into(),
        number: 6,
        at_ns: SECOND,
        sender: by(7),
        target,
        interrupted: Some(Interrupted { syscall: None, frame: Some(frame("c.py:1")) }),
        ..Signal::default()
    };
    let pending = Signal { handler_state: HandlerState::Pending, ..first.clone() };
    let handled = Signal { handler_state: HandlerState::Started, ..first.clone() };
    let ignored = Signal { handler_state: HandlerState::None, outcome: Outcome::Ignored, ..first.clone() };
    let term = Signal { signal: "SIGTERM".into(), number: 15, ..handled.clone() };
    let (critical, warn, info) = (Severity::Critical, Severity::Warn, Severity::Info);
    let kill = "SIGKILL from pid 7 (app, uid 0) killed pid 8 (child)";
    for (name, before, severity, rest) in [
        ("nothing", vec![], info, ""),
        (
            "by another",
            vec![Signal { sender: by(99), ..term.clone() }],
            warn,
            ", 2.00 s after a SIGTERM whose handler had started",
        ),
        ("asked", vec![term], warn, ", 2.00 s after a SIGTERM whose handler had started"),
        (
            "in C",
            vec![pending],
            critical,
            ", 2.00 s after a SIGABRT whose handler had not started: it arrived at c.py:1 in f",
        ),
        ("slow", vec![handled], critical, ", 2.00 s after a SIGABRT whose handler had started"),
        ("ignored", vec![ignored], critical, ", 2.00 s after a SIGABRT that was ignored"),
    ] {
        let mut report = report();
        report.signals = [before, vec![killed.clone()]].concat().into();
        let found =
            reported(&report).into_iter().find(|(.., text)| text.starts_with("SIGKILL")).expect("a kill");
        assert_eq!(
            found,
            (FindingKind::SignalKill, severity, format!("{kill}{rest} (3.00 s after the start)")),
            "{name}"
        );
    }
}

#[test]
fn a_loop_that_polls_is_reported_where_it_costs() {
    let poll = |file: &str, function: &str| Frame { function: function.into(), ..frame(file) };
    let popen = "/usr/lib/python3.11/subprocess.py:1";
    let loop_of = |inner: Frame, samples| HotStack {
        pid: 7,
        stack: [inner, poll(popen, "Popen.poll"), frame("a.py:3")].into_iter().collect(),
        samples,
        ..HotStack::default()
    };
    let (inner, library) =
        (poll(popen, "Popen._internal_poll"), frame("/usr/lib/python3.11/subprocess.py:2"));
    let reported = "pid 7 (app) asks again and again, without a pause, whether a child has ended: 30.0% of the CPU time is spent in \
                poll() at a.py:3 in f; use wait(timeout=...), which sleeps";
    for (name, rows, expected) in [
        ("in two stacks", vec![loop_of(inner.clone(), 25), loop_of(library, 5)], Some(reported)),
        ("seldom", vec![loop_of(inner, 19)], None),
        (
            "another poll",
            vec![HotStack {
                pid: 7,
                stack: [poll("select.py:1", "poll")].into_iter().collect(),
                samples: 90,
                ..HotStack::default()
            }],
            None,
        ),
    ] {
        let mut report = report();
        report.quality.samples.taken = 100;
        report.frames.stacks = rows.into();
        assert_eq!(text(&report), Vec::from_iter(expected), "{name}");
    }
}

#[test]
fn calls_to_groups_are_reported_once_if_they_ended_somebody() {
    let reached = |pid, by_it| KillReached {
        pid,
        comm: "worker".into(),
        end: if by_it { KillEnd::Exited } else { KillEnd::Lives },
        by_it,
        ended_after_ns: by_it.then_some(9),
    };
    let kill = |at_s: u64, ends: [bool; 2]| Kill {
        signal: "SIGINT".into(),
        number: 2,
        at_ns: at_s * SECOND,
        sender: Some(Sender { pid: Some(99), tid: Some(99), comm: "sh".into(), uid: 0 }),
        aim: KillAim::Group,
        pgid: Some(7),
        reached: vec![reached(7, ends[0]), reached(8, ends[1])],
        reached_count: 2,
        ended_count: ends.into_iter().filter(|ends| *ends).count() as u64,
        ..Kill::default()
    };
    let both =
        "SIGINT from pid 99 (sh, uid 0) to process group 7 reached 2 processes: 7 (worker), 8 (worker)";
    let (handled, ended) = ([false; 2], [true; 2]);
    for (name, kills, expected) in [
        ("handled", vec![kill(1, handled), kill(2, handled)], vec![]),
        ("ended", vec![kill(1, handled), kill(2, ended)], vec![format!("{both}; all of them ended")]),
        ("one ends", vec![kill(1, [true, false])], vec![format!("{both}; 8 (worker) is still running")]),
        (
            "again",
            vec![kill(1, ended), kill(2, handled), kill(3, ended)],
            vec![format!("{both}; all of them ended (2 such calls, from 1.00 s to 3.00 s after the start)")],
        ),
    ] {
        let mut report = report();
        report.processes.kills = kills.into();
        assert_eq!(text(&report), expected, "{name}");
    }
}
