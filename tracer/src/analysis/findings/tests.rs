use super::*;
use crate::report::{
    Ended, Handler, HandlerState, HandlerWait, HotLine, HotStack, Interrupted, Name, Notice, Origin, Orphan,
    Outcome, ParentEnd, SectionLoss, Sender, Signal, SignalTarget, TargetProcess, Zombie,
};

pub(super) const SECOND: u64 = 1_000_000_000;

pub(super) fn frame(place: &str) -> Frame {
    let (file, line) = place.rsplit_once(':').expect("a place is file:line");
    Frame { function: "f".into(), file: file.into(), line: line.parse().ok() }
}

pub(super) fn stack(places: &[&str]) -> Option<Stack> {
    Some(places.iter().map(|place| frame(place)).collect())
}

pub(super) fn report() -> Report {
    let mut report = Report::default();
    report.window.duration_ns = 10 * SECOND;
    report.target.pids = vec![7];
    let process = |pid, comm: &str| TargetProcess { pid, comm: comm.into(), ..TargetProcess::default() };
    report.target.processes = vec![process(7, "app"), process(8, "child")].into();
    report
}

/// Kind, severity and text of the findings.
pub(super) fn reported(report: &Report) -> Vec<(FindingKind, Severity, String)> {
    let found = findings(report);
    found.rows.iter().map(|found| (found.kind, found.severity, found.text.to_string())).collect()
}

pub(super) fn text(report: &Report) -> Vec<String> {
    reported(report).into_iter().map(|(_, _, text)| text).collect()
}

#[test]
fn nothing_is_found_in_nothing() {
    assert_eq!(reported(&Report::default()), []);
    assert_eq!(reported(&report()), []);
}

#[test]
fn a_late_handler_is_reported_with_its_reason() {
    let sender = Sender { pid: Some(9), tid: Some(9), comm: "sh".into(), uid: 0 };
    let handler = |waited_for| Handler {
        frame: Some(Frame { function: "on_term".into(), ..frame("app.py:12") }),
        started_after_ns: Some(4 * SECOND),
        waited_for,
        ..Handler::default()
    };
    let late = |waited_for| Signal {
        signal: "SIGTERM".into(),
        number: 15,
        count: 1,
        at_ns: SECOND,
        sender: Some(sender.clone()),
        target: SignalTarget { pid: 7, tid: Some(7), group: true },
        delivered_after_ns: Some(30_000),
        interrupted: Some(Interrupted { syscall: None, frame: Some(frame("img.py:60")) }),
        handler_state: HandlerState::Started,
        handler: Some(handler(waited_for)),
        outcome: Outcome::Handled,
        ..Signal::default()
    };
    let c_call = late(Some(HandlerWait::CCall));
    let short = Handler { started_after_ns: Some(SECOND / 20), ..handler(None) };
    let pending = Signal { handler_state: HandlerState::Pending, handler: None, ..late(None) };
    let blocked = Signal { delivered_after_ns: Some(4 * SECOND), ..late(Some(HandlerWait::Blocked)) };
    let reached = "SIGTERM from pid 9 (sh) reached pid 7 (app) after 30.0 µs, but its Python handler";
    for (name, signals, expected) in [
        (
            "in C",
            vec![c_call.clone()],
            vec![
                "on_term at app.py:12 started 4.00 s later: the main thread was in a C call at img.py:60 in f; make that \
                 call in another thread, or in smaller pieces",
            ],
        ),
        (
            "twice",
            vec![c_call.clone(), c_call],
            vec![
                "on_term at app.py:12 started 4.00 s later: the main thread was in a C call at img.py:60 in f (the \
                 longest of 2 delays); make that call in another thread, or in smaller pieces",
            ],
        ),
        (
            "slept on",
            vec![late(Some(HandlerWait::WrongThread))],
            vec![
                "on_term at app.py:12 started 4.00 s later: another thread received the signal, and the main thread \
                 slept on; block the signal in the other threads (signal.pthread_sigmask)",
            ],
        ),
        ("not known why", vec![late(None)], vec!["on_term at app.py:12 started 4.00 s later"]),
        (
            "not yet",
            vec![pending],
            vec!["had not started 9.00 s later, when the trace ended; it arrived at img.py:60 in f"],
        ),
        ("soon", vec![Signal { handler: Some(short), ..late(None) }], vec![]),
    ] {
        let report = Report { signals: signals.into(), ..report() };
        let expected: Vec<_> =
            expected.into_iter().map(|rest| format!("{reached} {rest} (1.00 s after the start)")).collect();
        assert_eq!(text(&report), expected, "{name}");
    }
    let from_line = Signal { sender_stack: Some(vec![frame("arbiter.py:5")]), ..blocked.clone() };
    let of_sender = Report { signals: vec![from_line].into(), ..report() };
    assert!(text(&of_sender)[0].starts_with("SIGTERM from pid 9 (sh, arbiter.py:5 in f) reached pid 7"));
    let report = Report { signals: vec![blocked].into(), ..report() };
    let expected = "SIGTERM from pid 9 (sh) reached pid 7 (app) only after 4.00 s: it was blocked until img.py:60 in f; unblock \
                    it earlier (1.00 s after the start)";
    assert_eq!(text(&report), [expected]);
}

#[test]
fn zombies_are_reported_by_the_line_that_spawned_them() {
    let child = Zombie { pid: 8, ppid: 7, comm: "child".into(), zombie_ns: 4 * SECOND, ..Zombie::default() };
    let spawned =
        Zombie { spawned_at: stack(&["/usr/lib/python3.11/subprocess.py:1", "a.py:3"]), ..child.clone() };
    let sigchld = Some(Notice::Python);
    let doing = Zombie { parent_doing: stack(&["b.py:5"]), sigchld, ..spawned.clone() };
    let reaped = Zombie { reaped: true, end_is_upper_bound: true, ..spawned.clone() };
    let young = Zombie { zombie_ns: SECOND / 2, ..child.clone() };
    for (name, zombies, expected) in [
        (
            "one",
            vec![child.clone()],
            vec![
                "child 8 (child) of pid 7 (app) was a zombie for 4.00 s; the parent has not waited: call wait() or poll() on the \
                 child",
            ],
        ),
        (
            "two of a line",
            vec![doing.clone(), doing],
            vec![
                "2 children of pid 7 (app), started at a.py:3 in f, were zombies for up to 4.00 s; the parent (at b.py:5 \
                 in f) has not waited: its SIGCHLD handler does not call wait()",
            ],
        ),
        (
            "reaped, whatever became of their SIGCHLD",
            vec![reaped.clone(), Zombie { sigchld, ..reaped.clone() }],
            vec![
                "2 children of pid 7 (app), started at a.py:3 in f, were zombies for up to 4.00 s, until the parent waited",
            ],
        ),
        (
            "late",
            vec![reaped],
            vec![
                "child 8 (child) of pid 7 (app), started at a.py:3 in f, was a zombie for up to 4.00 s, until the parent \
                 waited",
            ],
        ),
        ("young at the end, for which its parent may wait next", vec![young.clone()], vec![]),
    ] {
        let mut report = report();
        report.processes.zombies = zombies.into();
        assert_eq!(text(&report), expected, "{name}");
    }
    let mut report = report();
    (report.processes.zombies, report.window.ended) = (vec![young].into(), Ended::Until);
    assert_eq!(text(&report).len(), 1, "the trace was to end with it");
}

#[test]
fn orphans_are_reported_by_their_parent() {
    let orphan = |pid| Orphan {
        pid,
        comm: "sleep".into(),
        old_ppid: 8,
        new_ppid: 1,
        old_parent_ended: ParentEnd::Signal,
        old_parent_signal: Some("SIGTERM".into()),
    };
    let helper = |pid, package: &str| {
        let title = format!("python -B -c from {package}.resource_tracker import main; main(4)");
        TargetProcess { pid, title: title.as_str().into(), ..TargetProcess::default() }
    };
    let helpers = [helper(11, "multiprocessing"), helper(12, "joblib.externals.loky.backend")];
    for (orphans, expected) in [
        (
            vec![orphan(9), orphan(11), orphan(12)],
            "pid 8 (child) was killed by SIGTERM while its child 9 (sleep) was still running; the parent is now pid 1: end \
             children first, or signal the whole process group",
        ),
        (
            vec![orphan(9), orphan(10)],
            "pid 8 (child) was killed by SIGTERM while its 2 children were still running; the parent is now pid 1: end \
             children first, or signal the whole process group",
        ),
    ] {
        let mut report = report();
        report.target.processes.rows.extend(helpers.clone());
        report.processes.orphans = orphans.into();
        assert_eq!(text(&report), [expected]);
    }
}

#[test]
fn kills_are_reported_with_their_sender() {
    let killed = Signal {
        signal: "SIGKILL".into(),
        target: SignalTarget { pid: 8, ..SignalTarget::default() },
        outcome: Outcome::Killed,
        origin: Origin::Kill,
        ..Signal::default()
    };
    let by = |pid| Some(Sender { pid: Some(pid), tid: Some(pid), comm: "bash".into(), uid: 1000 });
    let interrupted = Some(Interrupted { syscall: None, frame: Some(frame("c.py:1")) });
    let (critical, info) = (Severity::Critical, Severity::Info);
    for (name, signal, severity, expected) in [
        (
            "by a stranger",
            Signal { sender: by(99), ..killed.clone() },
            critical,
            "SIGKILL from pid 99 (bash, uid 1000) killed pid 8 (child)",
        ),
        (
            "by its parent",
            Signal { sender: by(7), sender_stack: stack(&["a.py:9"]), ..killed.clone() },
            info,
            "SIGKILL from pid 7 (bash, uid 1000) at a.py:9 in f killed pid 8 (child)",
        ),
        (
            "by itself",
            Signal { sender: by(8), ..killed.clone() },
            critical,
            "SIGKILL that the process sent to itself killed pid 8 (child)",
        ),
        (
            "by the kernel",
            Signal { origin: Origin::Kernel, ..killed.clone() },
            critical,
            "SIGKILL from the kernel killed pid 8 (child)",
        ),
        (
            "a fault",
            Signal {
                signal: "SIGSEGV".into(),
                origin: Origin::Fault,
                interrupted: interrupted.clone(),
                ..killed.clone()
            },
            critical,
            "SIGSEGV of its own code (a crash) killed pid 8 (child) at c.py:1 in f",
        ),
        (
            "a fault that faulthandler reported",
            Signal { signal: "SIGSEGV".into(), number: 11, sender: by(8), interrupted, ..killed },
            critical,
            "SIGSEGV of its own code (a crash) killed pid 8 (child) at c.py:1 in f",
        ),
    ] {
        let mut report = report();
        let (fault, target) = (signal.number == 11, signal.target);
        let before = fault.then(|| Signal { number: 11, target, origin: Origin::Fault, ..Signal::default() });
        report.signals = before.into_iter().chain([signal]).collect();
        let expected = format!("{expected} (0 after the start)");
        assert_eq!(reported(&report), [(FindingKind::SignalKill, severity, expected)], "{name}");
    }
}

#[test]
fn a_hot_line_is_reported_with_the_line_that_called_it() {
    let library = "/usr/lib/python3.11/json/encoder.py:1";
    let line =
        |place, self_samples| HotLine { pid: 7, frame: frame(place), self_samples, ..HotLine::default() };
    let called = HotStack { pid: 7, stack: stack(&[library, "a.py:3"]).unwrap(), ..HotStack::default() };
    let (who, rest) = ("pid 7 (app) spends", "; make it faster, or call it less often");
    let encoder =
        format!("{who} 30.0% of the CPU time at {library} in f, called from a.py:3 in f (30 samples){rest}");
    let own = format!("{who} 40.0% of the CPU time at b.py:1 in f (40 samples){rest}");
    let pool = "/usr/lib/python3.11/concurrent/futures/process.py:263";
    let compiled = format!(
        "{who} 66.0% of the CPU time at {pool} in f (66 samples); no line outside the standard library called it: it calls \
         compiled code, or this is the library's own work"
    );
    for (name, row, expected) in [
        ("one's own", line("b.py:1", 40), Some(own.as_str())),
        ("of the library", line(library, 30), Some(encoder.as_str())),
        ("of a pool, below which no Python runs", line(pool, 66), Some(compiled.as_str())),
        ("not hot", line("b.py:1", 29), None),
    ] {
        let mut report = report();
        report.quality.samples.taken = 100;
        report.frames.hot = vec![row].into();
        report.frames.stacks = vec![called.clone()].into();
        assert_eq!(text(&report), Vec::from_iter(expected), "{name}");
    }
}

#[test]
fn what_the_trace_lacks_is_reported() {
    let mut incomplete = report();
    let of_reads = "35.0% of the reads were not counted";
    let lost = [("map_full".to_string(), 35), ("map_busy".to_string(), 0)].into();
    let reads = SectionLoss { hits: 100, lost, text: Some(of_reads.into()) };
    let switches = SectionLoss { hits: 100, ..SectionLoss::default() };
    incomplete.quality.sections = [("reads".to_string(), reads), ("switches".to_string(), switches)].into();
    incomplete.quality.kernel_missed = 687;
    incomplete.quality.samples.taken = 100;
    incomplete.quality.samples.unresolved = 10;
    incomplete.switches.kernel_voluntary = 1_000;
    incomplete.switches.checked_voluntary = 900;
    let mut reported = text(&incomplete);
    reported.sort();
    assert_eq!(
        reported,
        [
            "10.0% of the samples have no stack: their lines are missing under FRAMES",
            of_reads,
            "the kernel counted 1,000 context switches, tracer 900 of the same threads: figures under CONTEXT SWITCHES are off",
            "the kernel skipped 687 runs of probes: up to as many events are missing",
        ]
    );
    assert_eq!(findings(&incomplete).rows.last().unwrap().severity, Severity::Info);
    incomplete.switches.in_doubt = 90;
    assert_eq!(text(&incomplete).len(), 3, "as many switches fell between");
}

#[test]
fn a_few_samples_without_a_stack_are_not_reported() {
    for (taken, unresolved) in [(3, 1), (81, 2)] {
        let mut few = report();
        (few.quality.samples.taken, few.quality.samples.unresolved) = (taken, unresolved);
        assert_eq!(text(&few), Vec::<String>::new(), "{unresolved} of {taken}");
    }
}

#[test]
fn the_gravest_come_first_and_no_more_than_a_page_of_them() {
    let mut report = report();
    let zombie = |ppid, zombie_ns| Zombie { ppid, zombie_ns, ..Zombie::default() };
    report.processes.zombies = (0..20).map(|n| zombie(100 + n, u64::from(n) * SECOND)).collect();
    let killed = Signal { outcome: Outcome::Killed, ..Signal::default() };
    report.signals = vec![killed].into();
    let found = findings(&report);
    assert_eq!(found.rows.len(), MOST);
    assert_eq!(found.rows[0].kind, FindingKind::SignalKill);
    assert_eq!(found.rows[1].pid, 119);
    assert!(found.rows[1].frame.is_none());
}

#[test]
fn names_of_the_target_cannot_leave_the_sentence() {
    let mut report = report();
    let evil = Name::new("x\n\x1b[31m");
    report.processes.zombies =
        vec![Zombie { ppid: 9, comm: evil, zombie_ns: 2 * SECOND, ..Zombie::default() }].into();
    assert!(text(&report)[0].contains(r"x\x0a\x1b[31m"));
}
