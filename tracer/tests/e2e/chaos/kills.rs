//! A tracer that is ended at any moment, or that comes and goes.

use std::thread;
use std::time::{Duration, Instant};

use super::{IN_TIME, MEMORY, Random, Target};
use crate::harness::{Holdings, Signal, Status, Tracer, number, turn, until};

/// Milliseconds in which it attaches, and watches for a while.
const MOMENTS: u64 = 1_500;

#[test]
fn at_some_moments() {
    killed(8);
}

#[test]
#[ignore = "minutes: cargo xtask chaos"]
fn at_300_moments() {
    killed(300);
}

/// Nobody can write to the kernel any more.
fn killed(times: u32) {
    let _turn = turn();
    let kill = |time, tracer: Tracer| {
        // What it has at its end can be known only if it stands still: not every time, for that is a moment of its own.
        let held = if time % 2 == 0 { stopped(&tracer) } else { Holdings::default() };
        tracer.signal(Signal::KILL);
        assert_eq!(tracer.end().code, 128 + 9);
        held
    };
    let Some(target) = ended_by_chance(times, MOMENTS, kill) else { return };
    let tracer = Tracer::attach(target.pid(), &["--calls"]);
    assert!(number(&tracer.stop().exact()["quality"]["hits"]) > 0, "another one sees all that it should");
    let complaints = target.complaints();
    assert!(complaints.iter().all(|line| is_of_an_attach(line)), "{complaints:#?}");
}

/// A thread that is killed while it sets a breakpoint cannot take it back either: the kernel keeps some bytes, and says so,
/// for 2 of 300 kills here. The target's code is the file's all the same. No other thread than the main one sets any; those
/// that take breakpoints out are named `tracer-PID`.
fn is_of_an_attach(complaint: &str) -> bool {
    complaint.contains(" tracer:") && complaint.contains("failed to unregister")
}

#[test]
fn asked_to_end_at_some_moments() {
    asked(6);
}

#[test]
#[ignore = "minutes: cargo xtask chaos"]
fn asked_to_end_at_300_moments() {
    asked(300);
}

/// While it attaches it ends without a report, afterwards with one.
fn asked(times: u32) {
    let _turn = turn();
    let ask = |time, tracer: Tracer| {
        let held = Holdings::new(tracer.pid());
        let signal = [Signal::TERM, Signal::INT, Signal::HUP][time as usize % 3];
        tracer.signal(signal);
        let asked = Instant::now();
        let run = tracer.end();
        assert!(asked.elapsed() < IN_TIME, "{signal:?}: {:?}", asked.elapsed());
        match run.code {
            0 => drop(run.exact()),
            code => assert_eq!(code, 128 + signal.as_raw(), "before it has attached: {run:?}"),
        }
        held
    };
    if let Some(target) = ended_by_chance(times, MOMENTS / 2, ask) {
        target.finish();
    }
}

/// Ends so many tracers of one target, each within so many milliseconds; `end` says what the tracer had. Nothing of it may
/// be left.
fn ended_by_chance(times: u32, within_ms: u64, end: impl Fn(u32, Tracer) -> Holdings) -> Option<Target> {
    let mut target = Target::start()?;
    let mut random = Random(times.into());
    for time in 0..times {
        let tracer = start(&target);
        let pid = tracer.pid();
        thread::sleep(Duration::from_millis(random.below(within_ms)));
        let held = end(time, tracer);
        target.assert_whole(pid, &held);
    }
    Some(target)
}

#[test]
fn some_cycles() {
    cycles(6);
}

#[test]
#[ignore = "minutes: cargo xtask chaos"]
fn a_thousand_cycles() {
    cycles(1_000);
}

/// It comes and goes while children do.
fn cycles(times: u32) {
    let _turn = turn();
    let Some(mut target) = Target::start() else { return };
    for _ in 0..times {
        let tracer = Tracer::attach(target.pid(), &["--calls", "-d", "100ms"]);
        let (pid, held) = (tracer.pid(), Holdings::new(tracer.pid()));
        assert!(!held.is_empty(), "it has programs");
        let run = tracer.end();
        let report = run.exact();
        let peak = number(&report["overhead"]["tracer_peak_rss_bytes"]);
        assert!(peak < MEMORY, "{} MiB", peak >> 20);
        target.assert_whole(pid, &held);
    }
    target.finish();
}

fn start(target: &Target) -> Tracer {
    let pid = target.pid().to_string();
    Tracer::start(["--json", "--calls", "--budget", "off", "--pid", &pid])
}

/// What it has, all its threads standing still.
fn stopped(tracer: &Tracer) -> Holdings {
    tracer.signal(Signal::STOP);
    until("the tracer to stop", || (Status::new(tracer.pid())?.state() == 'T').then_some(()));
    Holdings::new(tracer.pid())
}
