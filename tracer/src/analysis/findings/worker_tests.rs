//! Findings that several workers of one program share.

use super::tests::{SECOND, frame, report, stack, text};
use super::*;
use crate::report::{BlockedHolder, Cause, Gc, GcPauses, Gil, HotLine, Read, SwitchCause, TargetProcess};

/// Four workers of pid 7, two of which have one title.
fn workers() -> Report {
    let worker = |pid: u32| TargetProcess {
        pid,
        ppid: 7,
        comm: "serve".into(),
        title: format!("serve: worker-{pid}").into(),
        ..TargetProcess::default()
    };
    let mut report = report();
    report.target.processes.rows.extend((20..24).map(worker));
    report
}

const ALL: &str = "4 workers (serve, pids 20, 21, 22, 23)";

fn waits(cause: Cause, off_cpu_ns: impl Fn(u32) -> u64) -> Vec<SwitchCause> {
    let row = |pid| SwitchCause {
        pid,
        cause,
        count: 200,
        off_cpu_ns: off_cpu_ns(pid),
        stack: stack(&["a.py:3"]),
        ..SwitchCause::default()
    };
    (20..24).map(row).collect()
}

#[test]
fn waits_of_workers_are_one_sentence_with_who_waited_far_longer() {
    for (name, cause, expected) in [
        (
            "the GIL",
            Cause::Gil,
            format!(
                "threads of {ALL} waited 7.00 s for the GIL (100.0% of their off-CPU time, 800 switches), most at a.py:3 \
                 in f; much more in pid 22 (4.00 s) than in the others (median 1.00 s); use fewer threads, or processes"
            ),
        ),
        (
            "a lock",
            Cause::Lock,
            format!(
                "threads of {ALL} waited 7.00 s for a lock at a.py:3 in f, 800 times; much more in pid 22 (4.00 s) than \
                 in the others (median 1.00 s)"
            ),
        ),
    ] {
        let mut report = workers();
        report.switches.causes = waits(cause, |pid| if pid == 22 { 4 * SECOND } else { SECOND }).into();
        assert_eq!(text(&report), [expected], "{name}");
        let found = findings(&report).rows.remove(0);
        assert_eq!((found.pid, &found.evidence["pids"]), (22, &Fact::Pids(vec![20, 21, 22, 23])), "{name}");
        assert_eq!(found.evidence["off_cpu_ns"], Fact::Count(7 * SECOND), "{name}");
    }
}

#[test]
fn other_programs_have_sentences_of_their_own() {
    let mut report = workers();
    report.target.processes.rows.iter_mut().for_each(|row| row.title = row.comm.clone());
    report.target.processes.rows.last_mut().unwrap().title = "another".into();
    report.switches.causes = waits(Cause::Lock, |_| SECOND).into();
    let reported = text(&report);
    assert!(
        reported.len() == 2
            && reported[0].starts_with("threads of 3 workers (serve, pids 20, 21, 22) waited 3.00 s")
    );
    assert!(reported[1].starts_with("threads of pid 23 (serve) waited 1.00 s"), "{reported:?}");
}

#[test]
fn lines_reads_pauses_and_sleeps_of_workers_are_one_sentence_each() {
    let pids = || 20..24;
    let mut report = workers();
    report.quality.samples.taken = 400;
    report.frames.rate_hz = 99;
    // A tenth of the samples each: nothing by itself.
    let hot = |pid| HotLine { pid, frame: frame("hot.py:1"), self_samples: 40, ..HotLine::default() };
    report.frames.hot = pids().map(hot).collect();
    let read = |pid| Read {
        pid,
        path: format!("/proc/{pid}/stat").into(),
        kind: crate::report::FileKind::Procfs,
        stack: stack(&["r.py:1"]),
        syscalls: 2_000,
        requested: [(16, 2_000)].into(),
        bytes: 32_000,
        avoidable: Some(0),
        ..Read::default()
    };
    report.reads = pids().map(read).collect();
    let pause = |pid| GcPauses {
        pid,
        count: 1,
        max_ns: SECOND / 16,
        total_ns: SECOND / 16,
        started_by: Some(frame("gc.py:1")),
        ..GcPauses::default()
    };
    let (collections, pauses) = (crate::report::Bounded::default(), pids().map(pause).collect());
    report.gc = Some(Gc { method: crate::report::GcMethod::Sampled, collections, pauses });
    let sleep = |pid| BlockedHolder {
        pid,
        cause: Cause::Sleep,
        syscall: Some("connect".into()),
        frame: Some(frame("c.py:8")),
        count: 1,
        off_cpu_ns: SECOND,
        others_waited_ns: SECOND / 4,
        ..BlockedHolder::default()
    };
    report.gil = Some(Gil { blocked_while_held: pids().map(sleep).collect(), ..Gil::default() });
    assert_eq!(
        text(&report),
        [
            format!(
                "{ALL} sleep in connect at c.py:8 in f without releasing the GIL: 4 times, 4.00 s in all; other threads \
                 waited 1.00 s for it meanwhile; let the C code release it around the call (ctypes: CDLL, not PyDLL)"
            ),
            format!(
                "{ALL} spend 40.0% of the CPU time at hot.py:1 in f (160 samples); make it faster, or call it less often"
            ),
            format!(
                "garbage collection paused {ALL} for up to 62.5 ms, started at gc.py:1 in f, 250 ms in all in 4 \
                 collections"
            ),
            format!(
                "{ALL} read /proc/[pid]/stat 16 B at a time: 8,000 calls for 125 KiB at r.py:1 in f; a larger buffer \
                 would save none: read it less often"
            ),
        ]
    );
}
