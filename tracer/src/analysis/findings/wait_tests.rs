//! Sentences about what threads wait for.

use super::findings;
use super::tests::{SECOND, frame, report, reported, stack, text};
use crate::report::{
    BlockedHolder, Cause, FindingKind, Frame, Gil, GilHolder, Severity, SwitchCause, TargetProcess,
};

#[test]
fn what_did_not_move_is_reported_only_if_the_rows_prove_it() {
    let row = |cause, place: &str| SwitchCause {
        pid: 7,
        cause,
        syscall: Some(if cause == Cause::Lock { "futex" } else { "read" }.into()),
        object: Some("pipe:[1]".into()),
        still_blocked: 1,
        stack: stack(&[place]),
        ..SwitchCause::default()
    };
    let (one, two) = (row(Cause::Lock, "a.py:1"), row(Cause::Lock, "b.py:2"));
    let worker = SwitchCause { still_blocked: 4, ..row(Cause::Lock, "/usr/lib/python3.11/threading.py:1") };
    let moves = SwitchCause { count: 1, ..row(Cause::Sleep, "c.py:3") };
    let (critical, info, warn) = (Severity::Critical, Severity::Info, Severity::Warn);
    let locks = "2 threads of pid 7 (app) waited for locks for all 10.0 s at a.py:1 in f and at b.py:2 in f";
    let dead = format!("{locks}; nothing else ran: this looks like a deadlock");
    for (name, rows, expected) in [
        ("two locks", vec![one.clone(), two.clone()], vec![(critical, dead.as_str())]),
        ("two locks, another thread runs", vec![one.clone(), two, moves.clone()], vec![(info, locks)]),
        (
            "one lock",
            vec![one.clone()],
            vec![(warn, "pid 7 (app) did nothing for all 10.0 s: 1 thread asleep in futex at a.py:1 in f")],
        ),
        ("one lock, another thread runs", vec![one, moves.clone()], vec![]),
        ("idle workers", vec![worker, moves.clone()], vec![]),
        (
            "a pipe",
            vec![row(Cause::Read, "a.py:1")],
            vec![(
                warn,
                "pid 7 (app) did nothing for all 10.0 s: 1 thread asleep in read of pipe:[1] at a.py:1 in f",
            )],
        ),
        (
            "a helper of the standard library's",
            vec![row(Cause::Read, "/usr/lib/python3.12/multiprocessing/resource_tracker.py:227")],
            vec![(
                info,
                "pid 7 (app) did nothing for all 10.0 s: 1 thread asleep in read of pipe:[1] at \
                 /usr/lib/python3.12/multiprocessing/resource_tracker.py:227 in f",
            )],
        ),
        ("it moves", vec![SwitchCause { count: 5, ..row(Cause::Read, "a.py:1") }], vec![]),
        ("it ended", vec![SwitchCause { still_blocked: 0, ..row(Cause::Read, "a.py:1") }], vec![]),
    ] {
        let mut report = report();
        report.switches.causes = rows.into();
        let reported: Vec<_> =
            reported(&report).into_iter().map(|(_, severity, text)| (severity, text)).collect();
        let expected: Vec<_> =
            expected.into_iter().map(|(severity, text)| (severity, text.to_string())).collect();
        assert_eq!(reported, expected, "{name}");
    }
}

#[test]
fn a_wrapper_that_waits_for_its_child_is_no_finding() {
    let row = SwitchCause {
        pid: 6,
        cause: Cause::Sleep,
        syscall: Some("rt_sigsuspend".into()),
        still_blocked: 1,
        ..SwitchCause::default()
    };
    let mut report = report();
    let works = SwitchCause { pid: 9, count: 5, ..SwitchCause::default() };
    report.switches.causes = vec![row, works].into();
    let other = |pid, ppid, python: Option<&str>| TargetProcess {
        pid,
        ppid,
        comm: "wrapper".into(),
        python: python.map(Into::into),
        ..TargetProcess::default()
    };
    let idle = "pid 6 (wrapper) did nothing for all 10.0 s: 1 thread asleep in rt_sigsuspend";
    for (name, parent, child, expected) in [
        ("it waits", other(6, 1, None), other(8, 6, Some("3.12.1")), &[][..]),
        ("it has no child", other(6, 1, None), other(8, 1, None), &[idle]),
        ("it is a Python", other(6, 1, Some("3.12.1")), other(8, 6, None), &[idle]),
        ("it is a Python whose worker works", other(6, 1, Some("3.12.1")), other(9, 6, None), &[]),
        ("another parent's worker works", other(6, 1, Some("3.12.1")), other(9, 1, None), &[idle]),
    ] {
        report.target.processes.rows.truncate(1);
        report.target.processes.rows.extend([parent, child]);
        assert_eq!(text(&report), expected, "{name}");
    }
}

#[test]
fn waits_for_the_gil_and_for_locks_are_reported_where_they_cost() {
    let row = |cause, count, off_cpu_ns| SwitchCause {
        pid: 7,
        cause,
        count,
        off_cpu_ns,
        stack: stack(&["/usr/lib/python3.11/threading.py:1", "a.py:3"]),
        ..SwitchCause::default()
    };
    let sleeps = row(Cause::Sleep, 1, 3 * SECOND);
    let gil = "threads of pid 7 (app) waited 1.00 s for the GIL (25.0% of their off-CPU time, 200 switches), most at a.py:3 in \
               f; use fewer threads, or processes";
    let foreign = "threads of pid 7 (app) waited 1.00 s for the GIL (25.0% of their off-CPU time, 200 switches); use fewer \
                   threads, or processes";
    let lock = "threads of pid 7 (app) waited 1.00 s for a lock at a.py:3 in f, 200 times";
    for (name, rows, expected) in [
        ("the GIL", vec![row(Cause::Gil, 200, SECOND), sleeps.clone()], vec![gil]),
        (
            "outside of Python",
            vec![SwitchCause { stack: None, ..row(Cause::Gil, 200, SECOND) }, sleeps],
            vec![foreign],
        ),
        ("a lock", vec![row(Cause::Lock, 150, SECOND / 2), row(Cause::Lock, 50, SECOND / 2)], vec![lock]),
        ("seldom", vec![row(Cause::Lock, 20, SECOND)], vec![]),
        ("shortly", vec![row(Cause::Gil, 200, SECOND / 10), row(Cause::Lock, 200, SECOND / 10)], vec![]),
    ] {
        let mut report = report();
        report.switches.causes = rows.into();
        assert_eq!(text(&report), expected, "{name}");
    }
}

/// The threads of a server wait for work at a line of the server's, and so does the thread that waits for them to end.
#[test]
fn a_pool_without_work_is_no_deadlock() {
    let waits = |function: &str, place: &str| SwitchCause {
        pid: 7,
        cause: Cause::Lock,
        syscall: Some("futex".into()),
        still_blocked: 2,
        stack: Some(vec![
            Frame { function: function.into(), ..frame("/usr/lib/python3.12/threading.py:355") },
            frame(place),
        ]),
        ..SwitchCause::default()
    };
    let mut report = report();
    report.switches.causes = vec![waits("Condition.wait", "a.py:1"), waits("Thread.join", "b.py:2")].into();
    let idle = "pid 7 (app) did nothing for all 10.0 s: 4 threads asleep, one in futex at b.py:2 in f";
    assert_eq!(reported(&report), [(FindingKind::Stuck, Severity::Info, idle.to_owned())]);
}

/// A queue's reader waits for something to read; a thread that waits for a semaphore waits for others to be done.
#[test]
fn whoever_waits_for_news_does_not_wait_for_a_lock() {
    for (functions, is_reported) in [
        (&["Condition.wait", "Queue.get"][..], false),
        (&["wait", "get"], false),
        (&["Thread._wait_for_tstate_lock", "Thread.join"], false),
        (&["Condition.wait", "Semaphore.acquire"], true),
        (&["Condition.__enter__"], true),
    ] {
        let library = functions.iter().map(|&function| Frame {
            function: function.into(),
            ..frame("/usr/lib/python3.11/threading.py:1")
        });
        let stack = library.chain([frame("a.py:3")]).collect();
        let row = SwitchCause {
            pid: 7,
            cause: Cause::Lock,
            count: 200,
            off_cpu_ns: SECOND,
            stack: Some(stack),
            ..SwitchCause::default()
        };
        let mut report = report();
        report.switches.causes = vec![row].into();
        assert_eq!(text(&report).len(), usize::from(is_reported), "{functions:?}");
    }
}

#[test]
fn the_holder_of_the_gil_is_named_and_who_sleeps_with_it() {
    let wait = SwitchCause {
        pid: 7,
        cause: Cause::Gil,
        count: 30,
        off_cpu_ns: 2 * SECOND,
        stack: stack(&["a.py:3"]),
        ..SwitchCause::default()
    };
    // Two threads of one line together are dearer than one thread of another.
    let holder = |tid, line, tenths: u64| GilHolder {
        pid: 7,
        tid,
        threads: 1,
        frame: Some(frame(line)),
        held_while_others_waited_ns: SECOND / 10 * tenths,
    };
    let sleep = |off_cpu_ns, others_waited_ns| BlockedHolder {
        pid: 7,
        cause: Cause::Sleep,
        syscall: Some("clock_nanosleep".into()),
        frame: Some(frame("c.py:8")),
        count: 4,
        off_cpu_ns,
        others_waited_ns,
        ..BlockedHolder::default()
    };
    let mut report = report();
    report.switches.causes = vec![wait].into();
    report.gil = Some(Gil {
        holders: vec![holder(8, "a.py:1", 5), holder(9, "b.py:5", 4), holder(10, "b.py:5", 3)].into(),
        blocked_while_held: vec![sleep(SECOND / 2, SECOND / 4), sleep(SECOND, SECOND / 1000)].into(),
        ..Gil::default()
    });
    assert_eq!(
        text(&report),
        [
            "pid 7 (app) sleeps in clock_nanosleep at c.py:8 in f without releasing the GIL: 4 times, 500 ms in all; other \
             threads waited 250 ms for it meanwhile; let the C code release it around the call (ctypes: CDLL, not PyDLL)",
            "threads of pid 7 (app) waited 2.00 s for the GIL (100.0% of their off-CPU time, 30 switches), most at a.py:3 \
             in f; meanwhile 2 threads held it at b.py:5 in f for 700 ms, 58.3% of that time; move that work to a \
             process pool",
        ]
    );
    let lines: Vec<_> = findings(&report).rows.into_iter().map(|found| found.frame).collect();
    assert_eq!(lines, [Some(frame("c.py:8")), Some(frame("b.py:5"))]);
}
