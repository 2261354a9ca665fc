//! CPython's own tests of signals and children: they go as they do without a tracer, and each child and each signal
//! that they ask for is reported once.

use std::thread;

use serde_json::Value;

use crate::harness::{Program, Python, Report, Tally, Tracer, number, on_pythons, rows};

on_pythons! {
    agrees_with_them:
    python3_9 Release(9),
    python3_13 Release(13),
}

/// Modules and their tests: those that do not take long, and ask for as many signals and children whenever they run.
const TESTS: &[(&str, &[&str])] = &[
    (
        "test.test_signal",
        &[
            "PosixTests",
            "SiginterruptTest.test_siginterrupt_on",
            "PendingSignalsTests.test_pthread_kill",
            "PendingSignalsTests.test_sigpending",
            "PendingSignalsTests.test_sigwait",
            "StressTest.test_stress_delivery_simultaneous",
        ],
    ),
    (
        "test.test_subprocess",
        &[
            "ContextManagerTests",
            "RunFuncTestCase.test_returncode",
            "RunFuncTestCase.test_check",
            "RunFuncTestCase.test_timeout",
            "RunFuncTestCase.test_capture_output",
            "RunFuncTestCase.test_run_kwargs",
            "RunFuncTestCase.test_run_with_bytes_path_and_arguments",
            "POSIXProcessTestCase.test_exception_bad_executable",
            "POSIXProcessTestCase.test_kill",
            "POSIXProcessTestCase.test_kill_dead",
            "POSIXProcessTestCase.test_send_signal",
            "POSIXProcessTestCase.test_terminate",
        ],
    ),
    (
        "test.test_asyncio.test_events",
        &["EPollEventLoopTests.test_add_signal_handler", "EPollEventLoopTests.test_signal_handling_args"],
    ),
    (
        "test.test_asyncio.test_subprocess",
        &[
            "SubprocessThreadedWatcherTests.test_stdin_stdout",
            "SubprocessThreadedWatcherTests.test_communicate",
            "SubprocessThreadedWatcherTests.test_shell",
            "SubprocessThreadedWatcherTests.test_kill",
            "SubprocessThreadedWatcherTests.test_terminate",
            "SubprocessThreadedWatcherTests.test_send_signal",
            "SubprocessThreadedWatcherTests.test_stdin_broken_pipe",
            "SubprocessThreadedWatcherTests.test_cancel_process_wait",
        ],
    ),
];

fn agrees_with_them(python: &Python) {
    let tests =
        TESTS.iter().flat_map(|(module, tests)| tests.iter().map(move |test| format!("{module}:{test}")));
    let tests: Vec<_> = tests.collect();
    let tests: Vec<_> = tests.iter().map(String::as_str).collect();
    let start = || Program::start_with(python, "cpython_tests.py", &tests);
    let (mut plain, mut program) = (start(), start());
    let tracer = Tracer::attach(program.pid(), &["--ring-size", "32MiB"]);
    let (plain, truth) = thread::scope(|scope| {
        let plain = scope.spawn(move || plain.go());
        let truth = program.go();
        (plain.join().expect("it runs without a tracer, too"), truth)
    });
    let report = tracer.end().exact();
    assert_eq!(truth["outcome"], plain["outcome"]);
    assert_eq!(truth["outcome"]["failed"], Value::Array(Vec::new()));
    assert!(number(&truth["outcome"]["run"]) > 30, "{}", truth["outcome"]);

    let pid = program.pid();
    let children: Vec<_> = rows(&report["target"]["processes"]).filter(|row| row["ppid"] == pid).collect();
    let asked_for = number(&truth["forks"]) + number(&truth["spawns"]);
    assert_eq!(children.len() as u64, asked_for, "each child once");
    for child in &children {
        assert!(child["ended_at_ns"].is_u64(), "{child}");
        assert_eq!(child["reaped_by"], pid, "{child}");
    }
    let notices = rows(&report["signals"])
        .filter(|row| row["origin"] == "child" && row["target"]["pid"] == pid)
        .map(|row| number(&row["count"]));
    assert_eq!(notices.sum::<u64>(), asked_for, "each child reports its end once");
    assert_eq!(sent(&report, pid), asked(&truth));
}

/// What the program sent, as the report has it.
fn sent(report: &Report, pid: u32) -> Tally {
    let mut tally = Tally::new();
    let sent = rows(&report["signals"])
        .filter(|row| row["sender"]["pid"] == pid && (row["origin"] == "kill" || row["origin"] == "tgkill"));
    for row in sent {
        *tally.entry(format!("{} to {}", row["number"], row["target"]["pid"])).or_default() +=
            number(&row["count"]);
    }
    tally
}

/// As the program has it.
fn asked(truth: &Value) -> Tally {
    let mut tally = Tally::new();
    for kill in rows(&truth["kills"]).filter(|kill| kill["number"] != 0) {
        *tally.entry(format!("{} to {}", kill["number"], kill["pid"])).or_default() += 1;
    }
    tally
}
