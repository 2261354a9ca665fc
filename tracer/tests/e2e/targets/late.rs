//! What is found out of a process takes a while, in which it may have ended or executed another program: it is reported of the
//! program that was probed, or of none.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tracer::attach::{Plan, Probes};
use tracer::process::Process;
use tracer::sections::{Section, Sections};
use tracer_common::target::{Target, flag};

use crate::harness::{PATIENCE, Program, number, system, turn, until};

/// As many as a short test can wait for.
const EXECS: usize = 100;

/// Probes that trace the program as one that nothing is known of.
fn traced(pid: u32) -> Probes {
    let plan = Plan {
        sections: Sections::only(&[Section::Processes]),
        depth: 1,
        rate_hz: 1,
        ring_bytes: 1 << 20,
        room: 1,
        table_rows: None,
        calls: false,
        handler_ends: false,
        only_samples: false,
    };
    let mut probes = Probes::load(plan).expect("root may");
    probes.attach().expect("root may");
    let unknown = Target { space: 1, flags: flag::FOLLOW, ..Target::default() };
    probes.trace(pid, &unknown).expect("there is room");
    probes.start(1).expect("root may");
    probes
}

fn found(before: &Target) -> Target {
    Target { flags: before.flags | flag::PYTHON, ..*before }
}

/// Each exec is seen, though user space writes the process's entry all the time: between the reading of it and the writing,
/// and between the writing and the check, many of them come.
#[test]
fn no_exec_is_undone() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "executes.py", &["1000000"]);
    let pid = program.pid();
    let mut probes = traced(pid);
    let process = Process::open(pid).expect("it lives");
    program.say("go");
    let mut spaces = BTreeSet::new();
    // More than are seen: some programs come and go while who polls is off his CPU.
    let began = Instant::now();
    while spaces.len() <= EXECS {
        assert!(began.elapsed() < PATIENCE, "{} of {EXECS} execs were seen", spaces.len());
        let before = settled(&mut probes, pid);
        spaces.insert(before.space);
        let is_reported = probes.identify(&process, &before, &found(&before)).expect("root may");
        let after = settled(&mut probes, pid);
        assert!(after.space >= before.space, "an exec was undone");
        assert!(
            !is_reported || after.space > before.space || after.flags & flag::PYTHON != 0,
            "it was not written"
        );
        assert!(after.space == before.space || after.flags & flag::PYTHON == 0, "it is another program's");
    }
    let execs = number(&program.go()["execs"]);
    assert!(execs >= EXECS as u64, "{execs}");
}

/// Its entry, as it is when no exec is in the middle of changing it.
fn settled(probes: &mut Probes, pid: u32) -> Target {
    let mut entry = || probes.target(pid).expect("root may").expect("it is traced");
    let mut last = entry();
    loop {
        let now = entry();
        if now == last {
            return now;
        }
        last = now;
    }
}

#[test]
fn what_is_written_too_late_is_dropped() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "executes.py", &["1"]);
    let pid = program.pid();
    let mut probes = traced(pid);
    let process = Process::open(pid).expect("it lives");
    let mut target = || probes.target(pid).expect("root may");
    let before = target().expect("it is traced");
    program.go();
    let executed = target().expect("it is traced");
    assert_eq!((executed.flags, executed.space > 1), (flag::FOLLOW, true));
    assert!(
        !probes.identify(&process, &before, &found(&before)).expect("root may"),
        "it runs another program"
    );
    assert_eq!(probes.target(pid).expect("root may"), Some(executed));
    assert!(probes.identify(&process, &executed, &found(&executed)).expect("root may"), "this one");

    let last = probes.target(pid).expect("root may").expect("it is traced");
    program.finish();
    until("the kernel to let go of it", || probes.target(pid).expect("root may").is_none().then_some(()));
    std::thread::sleep(Duration::from_millis(1));
    assert!(!probes.identify(&process, &last, &found(&last)).expect("root may"), "it has ended");
    assert_eq!(probes.target(pid).expect("root may"), None, "and has no entry again");
}
