//! Sentences about processes that ended.

use super::tests::{SECOND, frame, report, reported, stack};
use crate::report::{
    EndedIn, FindingKind, Frame, Handler, HandlerState, Interrupted, Name, Origin, Outcome, Report, Sender,
    Severity, Signal, SignalTarget, TargetProcess,
};

const CRITICAL: Severity = Severity::Critical;

/// A child of 7 that lived for a second.
fn child(pid: u32, born_s: u64) -> TargetProcess {
    TargetProcess {
        pid,
        ppid: 7,
        comm: "worker".into(),
        python: Some("3.12.1".into()),
        at_ns: Some(born_s * SECOND),
        ended_at_ns: Some((born_s + 1) * SECOND),
        exit_code: Some(0),
        ended_in: Some(EndedIn { syscall: Some("exit_group".into()), ..EndedIn::default() }),
        ..TargetProcess::default()
    }
}

fn at(stack: Option<Vec<crate::report::Frame>>) -> Option<EndedIn> {
    Some(EndedIn { stack, syscall: Some("exit_group".into()), object: None })
}

/// Handled 10 ms before the end of a child that was born then.
fn signal(number: u32, name: &str, from: u32, to: u32, born_s: u64) -> Signal {
    Signal {
        signal: name.into(),
        number,
        count: 1,
        at_ns: (born_s + 1) * SECOND - SECOND / 100,
        sender: Some(Sender { pid: Some(from), tid: Some(from), comm: "sender".into(), uid: 0 }),
        sender_stack: (from == 7).then(|| vec![frame("boss.py:5"), frame("boss.py:9")]),
        origin: Origin::Kill,
        target: SignalTarget { pid: to, tid: Some(to), group: true },
        interrupted: Some(Interrupted { syscall: None, frame: Some(frame("work.py:3")) }),
        handler_state: HandlerState::Started,
        handler: Some(Handler { started_after_ns: Some(1_000), ..Handler::default() }),
        outcome: Outcome::Handled,
        ..Signal::default()
    }
}

fn report_of(children: Vec<TargetProcess>, signals: Vec<Signal>) -> Report {
    let mut report = report();
    report.target.processes = [vec![report.target.processes.rows[0].clone()], children].concat().into();
    report.signals = signals.into();
    report
}

/// What uvicorn does: it is not the one to blame.
#[test]
fn a_signal_that_is_raised_again_is_reported_by_its_first_sender() {
    let server = TargetProcess { exit_code: None, exit_signal: Some("SIGTERM".into()), ..child(8, 1) };
    let asked = signal(15, "SIGTERM", 900, 8, 1);
    let raised = Signal {
        at_ns: asked.at_ns + 5_000_000,
        outcome: Outcome::Killed,
        handler_state: HandlerState::None,
        ..signal(15, "SIGTERM", 8, 8, 1)
    };
    let sentences = |signals| reported(&report_of(vec![server.clone()], signals));
    let both = sentences(vec![asked, raised.clone()]);
    let [(FindingKind::ProcessEnd, Severity::Warn, text)] = &both[..] else { panic!("{both:?}") };
    assert!(text.starts_with("SIGTERM from pid 900 (sender, uid 0) ended pid 8 (worker)"), "{text}");
    assert!(text.contains("it handled it, and then ended itself with the same signal"), "{text}");
    let alone = sentences(vec![raised]);
    let [(FindingKind::SignalKill, CRITICAL, text)] = &alone[..] else { panic!("{alone:?}") };
    assert!(text.starts_with("SIGTERM that the process sent to itself killed pid 8 (worker)"), "{text}");
}

#[test]
fn a_child_that_finds_no_program_is_no_crash() {
    let library = "/usr/lib/python3.12/subprocess.py:1955";
    let tried = Frame { function: "Popen._execute_child".into(), ..frame(library) };
    let ended_in = EndedIn { stack: Some(vec![tried, frame("a.py:10")]), ..EndedIn::default() };
    let failed = |pid, born_s| TargetProcess {
        exit_code: Some(255),
        ended_in: Some(ended_in.clone()),
        ..child(pid, born_s)
    };
    let text = "pid 8 (worker), child of pid 7 (app), exited with 255: it could not execute its program (2.00 s after the start)";
    let one = reported(&report_of(vec![failed(8, 1)], vec![]));
    assert_eq!(one, [(FindingKind::ProcessEnd, Severity::Info, text.to_owned())]);
    let often = reported(&report_of(vec![failed(8, 1), failed(9, 3), failed(10, 5)], vec![]));
    assert!(often[0].1 == Severity::Info && !often[0].2.contains("loop"), "{often:?}");
}

/// A tool that works on many hosts at a time has a shell for each.
#[test]
fn what_processes_of_several_parents_did_alike_is_one_sentence() {
    let shell = |pid| TargetProcess {
        comm: "sh".into(),
        title: format!("sh -c run-{pid}").as_str().into(),
        ..child(pid, 0)
    };
    let crash = |pid, ppid, born_s| TargetProcess { exit_code: Some(9), ppid, ..child(pid, born_s) };
    let rows = vec![shell(20), shell(21), crash(30, 20, 1), crash(31, 21, 3), crash(32, 20, 5)];
    let three = "3 processes (pid 30 (worker), pid 31 (worker), pid 32 (worker)), children of 2 processes (sh), exited \
                 with 9: its Python code had ended, as with sys.exit(9) (from 2.00 s to 6.00 s after the start)";
    assert_eq!(reported(&report_of(rows, vec![])), [(FindingKind::ProcessEnd, CRITICAL, three.to_owned())]);

    let killed = |pid| TargetProcess { exit_code: None, exit_signal: Some("SIGKILL".into()), ..shell(pid) };
    let kill = |pid| Signal {
        sender_stack: None,
        outcome: Outcome::Killed,
        interrupted: None,
        ..signal(9, "SIGKILL", pid, pid, 1)
    };
    let rows = vec![killed(20), killed(21)];
    let both = "SIGKILL that each sent to itself killed 2 processes: pid 20 (sh), pid 21 (sh) (1.99 s after the start)";
    let found = reported(&report_of(rows, vec![kill(20), kill(21)]));
    assert_eq!(found, [(FindingKind::SignalKill, CRITICAL, both.to_owned())]);
}

/// Of what `multiprocessing` spawns, each has the numbers of its own pipes.
#[test]
fn exits_of_workers_that_differ_in_numbers_are_one_in_the_order_of_time() {
    let spawned = |pid, born_s, pipe| TargetProcess {
        exit_code: Some(5),
        argv: Some(vec![
            "/usr/bin/python3".into(),
            "-c".into(),
            format!("spawn_main({pipe})").as_str().into(),
        ]),
        ended_in: at(stack(&["a.py:10"])),
        ..child(pid, born_s)
    };
    let reported = reported(&report_of(vec![spawned(8, 4, 33), spawned(9, 1, 36)], Vec::new()));
    let [(_, CRITICAL, text)] = &reported[..] else { panic!("{reported:?}") };
    assert!(text.starts_with("2 processes (pid 9 (worker), pid 8 (worker))"), "{text}");
    assert!(
        text.ends_with("exited with 5 at a.py:10 in f (from 2.00 s to 5.00 s after the start)"),
        "{text}"
    );
}

#[test]
fn exits_are_reported_by_the_line_and_what_came_before() {
    let exits = |code, ended_in| TargetProcess { exit_code: Some(code), ended_in, ..child(8, 1) };
    let line = at(stack(&["/usr/lib/python3.12/os.py:1", "a.py:10"]));
    let pool = at(stack(&["/usr/lib/python3.12/multiprocessing/popen_fork.py:71", "a.py:10"]));
    let not_python = TargetProcess { python: None, argv: Some(vec!["grep".into()]), ..exits(1, None) };
    let program =
        TargetProcess { argv: Some(vec!["/usr/bin/python3".into()]), python: None, ..exits(1, at(None)) };
    let abort = || signal(6, "SIGABRT", 7, 8, 1);
    for (name, process, signals, expected) in [
        ("well", exits(0, at(None)), vec![], None),
        ("os._exit", exits(9, line.clone()), vec![], Some((CRITICAL, "9 at a.py:10 in f (2.00 s"))),
        (
            "sys.exit",
            exits(3, at(None)),
            vec![],
            Some((CRITICAL, "3: its Python code had ended, as with sys.exit(3) (2.00 s")),
        ),
        (
            "the target of a process raises",
            exits(1, pool),
            vec![],
            Some((CRITICAL, "1: an uncaught exception, or sys.exit(1) (2.00 s")),
        ),
        ("an older kernel", exits(9, None), vec![], Some((CRITICAL, "9 (2.00 s"))),
        ("no Python", not_python, vec![], None),
        (
            "a program",
            program,
            vec![],
            Some((Severity::Warn, "1: an uncaught exception, or sys.exit(1) (2.00 s")),
        ),
        (
            "given up",
            exits(0, at(None)),
            vec![abort()],
            Some((
                CRITICAL,
                "0, 10.0 ms after SIGABRT from pid 7 (sender, uid 0) at boss.py:5 in f, called from boss.py:9 in f; \
                 it arrived at work.py:3 in f (2.00 s",
            )),
        ),
        ("its parent ends it", exits(0, at(None)), vec![signal(15, "SIGTERM", 7, 8, 1)], None),
        (
            "asked by its parent, ended badly",
            exits(4, at(None)),
            vec![signal(15, "SIGTERM", 7, 8, 1)],
            Some((Severity::Info, "4, 10.0 ms after SIGTERM from pid 7")),
        ),
        (
            "a signal long before",
            exits(9, line),
            vec![signal(2, "SIGINT", 99, 8, 0)],
            Some((CRITICAL, "9 at a.py:10 in f")),
        ),
    ] {
        let runs = process.argv.as_ref().map_or("", |_| ", running /usr/bin/python3");
        let who = format!("pid 8 (worker), child of pid 7 (app){runs}, exited with");
        let found = reported(&report_of(vec![process], signals));
        let Some((severity, text)) = expected else {
            assert_eq!(found, [], "{name}");
            continue;
        };
        let [(kind, found, sentence)] = &found[..] else { panic!("{name}: {found:?}") };
        assert_eq!((*kind, *found), (FindingKind::ProcessEnd, severity), "{name}");
        assert!(sentence.starts_with(&format!("{who} {text}")), "{name}: {sentence}");
    }
}

#[test]
fn a_service_that_is_ended_from_outside_is_one_sentence() {
    let root = TargetProcess { pid: 8, ppid: 1, at_ns: None, ..child(8, 1) };
    let workers = [9, 10].map(|pid| TargetProcess { ppid: 8, ..child(pid, 1) });
    let term = |from, to| signal(15, "SIGTERM", from, to, 1);
    let killed = TargetProcess { exit_code: None, exit_signal: Some("SIGTERM".into()), ..root.clone() };
    let kills = Signal { outcome: Outcome::Killed, ..term(99, 8) };
    let from = "SIGTERM from pid 99 (sender, uid 0)";
    let end = "after 10.0 ms; it arrived at work.py:3 in f (1.99 s after the start)";
    for (name, head, signals, severity, expected) in [
        (
            "its head asks its workers",
            root.clone(),
            vec![term(99, 8), term(8, 9), term(8, 10)],
            Severity::Warn,
            format!("{from} ended pid 8 (worker) and 2 processes below it: it exited with 0 {end}"),
        ),
        (
            "all are asked",
            root,
            vec![term(99, 9), term(99, 8), term(99, 10)],
            Severity::Warn,
            format!("{from} ended pid 8 (worker) and 2 processes below it: it exited with 0 {end}"),
        ),
        (
            "it kills",
            killed,
            vec![kills],
            CRITICAL,
            format!("{from} ended pid 8 (worker) and 2 processes below it: it was killed by it {end}"),
        ),
    ] {
        let report = report_of([vec![head], workers.to_vec()].concat(), signals);
        assert_eq!(reported(&report), [(FindingKind::ProcessEnd, severity, expected)], "{name}");
    }
}

#[test]
fn ends_that_are_alike_are_a_loop_if_one_follows_another() {
    let argv = |pid| Some(vec![Name::from("python3"), Name::from(if pid == 11 { "b.py" } else { "a.py" })]);
    let title = |pid| Name::from(if pid == 11 { "python3 b.py" } else { "python3 a.py" });
    let crash = |pid, born_s| TargetProcess {
        exit_code: Some(3),
        argv: argv(pid),
        title: title(pid),
        started_at: stack(&["boss.py:9"]).map(|stack| stack[0].clone()),
        ..child(pid, born_s)
    };
    let before = TargetProcess { at_ns: None, argv: None, started_at: None, ..crash(8, 1) };
    let tail = "exited with 3: its Python code had ended, as with sys.exit(3)";
    let three = "pid 8 (worker), pid 9 (worker), pid 10 (worker)";
    let [a, b] = ["a.py", "b.py"].map(|file| format!("running python3 {file}, started at boss.py:9 in f"));
    for (name, children, expected) in [
        (
            "the first was there before",
            vec![before, crash(9, 3), crash(10, 5)],
            vec![format!(
                "crash loop: 3 processes ({three}), children of pid 7 (app), {a}, {tail} (from 2.00 s to 6.00 s after the start)"
            )],
        ),
        (
            "one after another",
            vec![crash(8, 1), crash(9, 3), crash(10, 5)],
            vec![format!(
                "crash loop: 3 processes ({three}), children of pid 7 (app), {a}, {tail} (from 2.00 s to 6.00 s after the start)"
            )],
        ),
        (
            "at a time",
            vec![crash(8, 1), crash(9, 1), crash(10, 1)],
            vec![format!(
                "3 processes ({three}), children of pid 7 (app), {a}, {tail} (2.00 s after the start)"
            )],
        ),
        (
            "another program",
            vec![crash(8, 1), crash(11, 3)],
            vec![
                format!("pid 8 (worker), child of pid 7 (app), {a}, {tail} (2.00 s after the start)"),
                format!("pid 11 (worker), child of pid 7 (app), {b}, {tail} (4.00 s after the start)"),
            ],
        ),
    ] {
        let found = reported(&report_of(children, vec![]));
        let texts: Vec<_> = found.into_iter().map(|(.., text)| text).collect();
        assert_eq!(texts, expected, "{name}");
    }
}

#[test]
fn what_its_parent_ends_again_and_again_is_no_crash_loop() {
    let slow = |pid, born_s| TargetProcess { exit_code: Some(15), ..child(pid, born_s) };
    let term = |pid, born_s| signal(15, "SIGTERM", 7, pid, born_s);
    let report =
        report_of(vec![slow(8, 1), slow(9, 3), slow(10, 5)], vec![term(8, 1), term(9, 3), term(10, 5)]);
    let expected = "3 processes (pid 8 (worker), pid 9 (worker), pid 10 (worker)), children of pid 7 (app), exited with \
                    15, 10.0 ms after SIGTERM from pid 7 (sender, uid 0) at boss.py:5 in f, called from boss.py:9 in f; it \
                    arrived at work.py:3 in f (from 2.00 s to 6.00 s after the start)";
    assert_eq!(reported(&report), [(FindingKind::ProcessEnd, Severity::Warn, expected.to_owned())]);
}

#[test]
fn the_signal_that_began_an_end_leads() {
    let killed = TargetProcess { exit_code: None, exit_signal: Some("SIGTERM".into()), ..child(8, 1) };
    let first = signal(15, "SIGTERM", 7, 8, 1);
    let second = Signal {
        at_ns: first.at_ns + 3_000_000,
        sender_stack: stack(&["pool.py:914"]),
        outcome: Outcome::Killed,
        handler: None,
        handler_state: HandlerState::None,
        ..first.clone()
    };
    let expected = "SIGTERM from pid 7 (sender, uid 0) at boss.py:5 in f, called from boss.py:9 in f killed pid 8 (worker); \
                    it arrived at work.py:3 in f, and a second SIGTERM, 3.00 ms later at pool.py:914 in f, killed it \
                    (1.99 s after the start)";
    let report = report_of(vec![killed], vec![first, second]);
    assert_eq!(reported(&report), [(FindingKind::SignalKill, Severity::Info, expected.to_owned())]);
}
