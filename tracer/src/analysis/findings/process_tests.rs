//! Sentences about processes: kills and polls.

use super::tests::{SECOND, frame, report, text, told};
use crate::report::{
    FindingKind, Frame, HandlerState, HotStack, Interrupted, Origin, Outcome, Sender, Severity, Signal,
    SignalTarget,
};

#[test]
fn a_sigkill_is_told_with_the_signal_that_went_before() {
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
    let (warn, info) = (Severity::Warn, Severity::Info);
    let kill = "SIGKILL from pid 7 (app, uid 0) killed pid 8 (child)";
    for (name, before, severity, rest) in [
        ("nothing", vec![], info, ""),
        ("of another", vec![Signal { sender: by(99), ..ignored.clone() }], info, ""),
        (
            "in C",
            vec![pending],
            warn,
            ", 2.00 s after a SIGABRT whose handler had not begun: it came at c.py:1 in f",
        ),
        ("slow", vec![handled], warn, ", 2.00 s after a SIGABRT whose handler had begun"),
        ("ignored", vec![ignored], warn, ", 2.00 s after a SIGABRT that was ignored"),
    ] {
        let mut report = report();
        report.signals = [before, vec![killed.clone()]].concat().into();
        let found = told(&report).into_iter().find(|(.., text)| text.starts_with("SIGKILL")).expect("a kill");
        assert_eq!(found, (FindingKind::SignalKill, severity, format!("{kill}{rest}")), "{name}");
    }
}

#[test]
fn a_loop_that_polls_is_told_where_it_costs() {
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
    let told = "pid 7 (app) asks without a pause whether a child has ended: 30.0% of the CPU time is spent in poll() at \
                a.py:3 in f; wait() sleeps until it has, and takes a timeout";
    for (name, rows, expected) in [
        ("in two stacks", vec![loop_of(inner.clone(), 25), loop_of(library, 5)], Some(told)),
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
        report.quality.samples.python = 100;
        report.frames.stacks = rows.into();
        assert_eq!(text(&report), Vec::from_iter(expected), "{name}");
    }
}
