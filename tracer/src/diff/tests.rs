//! Two runs of made-up programs.

use super::*;
use crate::report::{Cause, Frame, HotLine, Name, Read, SwitchCause};
use crate::sections::Sections;

/// What a run has by the second: samples in hundredths of a CPU, waits in milliseconds and calls, reads.
#[derive(Clone, Default)]
struct Run {
    seconds: u64,
    rate_hz: u64,
    cpu: Vec<(&'static str, u64)>,
    waits: Vec<(&'static str, Cause, u64, u64)>,
    reads: Vec<(&'static str, u64)>,
}

/// Deviations that chance makes: the same in each test, and of the size that counts of samples have.
struct Dice(u64);

impl Dice {
    fn around(&mut self, mean: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let unit = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        (mean as f64 + (unit - 0.5) * 3.4 * (mean as f64).sqrt()).max(0.0) as u64
    }
}

fn frame(function: &str) -> Frame {
    Frame { function: function.into(), file: "/srv/a.py".into(), line: Some(function.len() as u32) }
}

impl Run {
    fn report(&self, dice: &mut Dice) -> Report {
        let mut report = Report::default();
        report.window.duration_ns = self.seconds * 1_000_000_000;
        report.window.sections = Sections::ALL.list();
        report.frames.rate_hz = self.rate_hz;
        let samples = |share: u64| share * self.rate_hz * self.seconds / 100;
        let hot = self.cpu.iter().map(|(function, share)| HotLine {
            frame: frame(function),
            self_samples: dice.around(samples(*share)),
            ..HotLine::default()
        });
        report.frames.hot = hot.collect();
        let waits = self.waits.iter().map(|(function, cause, calls, ms)| SwitchCause {
            cause: *cause,
            count: calls * self.seconds,
            off_cpu_ns: ms * 1_000_000 * self.seconds,
            stack: Some(vec![frame(function)]),
            ..SwitchCause::default()
        });
        report.switches.causes = waits.collect();
        let reads = self.reads.iter().map(|(path, calls)| Read {
            path: (*path).into(),
            syscalls: dice.around(calls * self.seconds),
            stack: Some(vec![frame("read")]),
            ..Read::default()
        });
        report.reads = reads.collect();
        report
    }
}

/// What is named, by function, cause or path, with a sign.
fn named(before: &Run, after: &Run) -> Vec<String> {
    let mut dice = Dice(7);
    let (before, after) = (before.report(&mut dice), after.report(&mut dice));
    let name = |difference: &Difference| {
        let sign = if difference.more { '+' } else { '-' };
        let name = difference.function.as_ref().or(difference.what.as_ref()).map(Name::to_string);
        format!("{sign}{:?} {}", difference.kind, name.unwrap_or_default())
    };
    let mut names: Vec<_> = diff(&before, &after).differences.iter().map(name).collect();
    names.sort();
    names
}

fn server() -> Run {
    Run {
        seconds: 10,
        rate_hz: 99,
        cpu: vec![("parse", 20), ("render", 30), ("encode", 25), ("log", 5)],
        waits: vec![("query", Cause::Network, 50, 200), ("pool", Cause::Lock, 2, 1_800)],
        reads: vec![("/proc/41/stat", 400), ("/etc/hosts", 3)],
    }
}

/// A run of which each figure but some is multiplied: the same work at another pace.
fn at_pace(run: &Run, percent: u64) -> Run {
    let of = |figure: u64| figure * percent / 100;
    Run {
        cpu: run.cpu.iter().map(|(function, share)| (*function, of(*share))).collect(),
        waits: run.waits.iter().map(|(at, cause, calls, ms)| (*at, *cause, of(*calls), of(*ms))).collect(),
        reads: run.reads.iter().map(|(path, calls)| (*path, of(*calls))).collect(),
        ..run.clone()
    }
}

#[test]
fn two_runs_of_one_program_do_not_differ() {
    let nothing = Vec::<String>::new();
    assert_eq!(named(&server(), &server()), nothing);
    let longer = Run { seconds: 40, ..server() };
    assert_eq!(named(&server(), &longer), nothing, "another duration");
    let finer = Run { rate_hz: 999, ..server() };
    assert_eq!(named(&server(), &finer), nothing, "another rate");
    assert_eq!(named(&server(), &at_pace(&server(), 50)), nothing, "half of the load");
    let mut dice = Dice(7);
    let fewer = diff(&server().report(&mut dice), &at_pace(&server(), 50).report(&mut dice));
    assert!((fewer.pace - 0.5).abs() < 0.05, "{}", fewer.pace);
}

/// A busy loop turns less often if one of its lines takes longer: what else it does is less by the second, and is not named.
#[test]
fn one_slower_line_is_named_and_nothing_else() {
    let mut slower = at_pace(&server(), 70);
    slower.cpu[1].1 = 54;
    assert_eq!(named(&server(), &slower), ["+Cpu render"]);
    let two = Run { cpu: vec![("a", 50), ("b", 50)], seconds: 10, rate_hz: 99, ..Run::default() };
    let slow = Run { cpu: vec![("a", 33), ("b", 67)], ..two.clone() };
    assert_eq!(named(&two, &slow), ["+Cpu b"]);
    let mut idle = server();
    idle.cpu[3].1 = 12;
    assert_eq!(named(&server(), &idle), ["+Cpu log"], "a server that has time left");
    let mut faster = at_pace(&server(), 120);
    faster.cpu[1].1 = 12;
    assert_eq!(named(&server(), &faster), ["-Cpu render"]);
}

#[test]
fn other_figures_are_named_by_their_kind() {
    let mut worse = server();
    worse.reads[0] = ("/proc/77/stat", 900);
    worse.waits[0] = ("query", Cause::Network, 50, 600);
    worse.waits.push(("load", Cause::Sleep, 20, 200));
    assert_eq!(named(&server(), &worse), ["+Reads read", "+Wait load", "+Wait query"]);
    assert_eq!(named(&worse, &server()), ["-Reads read", "-Wait load", "-Wait query"]);
}

/// What was not asked for in one of the runs is no difference; and the machine's own doing is none either.
#[test]
fn only_what_both_have_is_compared() {
    let mut dice = Dice(7);
    let (before, mut after) = (server().report(&mut dice), server().report(&mut dice));
    after.window.sections.retain(|section| *section != crate::sections::Section::Reads);
    after.reads = Vec::new().into();
    assert_eq!(diff(&before, &after).differences, []);
    let mut others = server();
    others.waits.push(("render", Cause::Preempted, 500, 900));
    assert_eq!(named(&server(), &others), Vec::<String>::new());
}

/// Code that was moved is the same function.
#[test]
fn a_line_that_has_moved_is_the_same() {
    let mut dice = Dice(7);
    let (before, mut after) = (server().report(&mut dice), server().report(&mut dice));
    for row in &mut after.frames.hot.rows {
        row.frame.line = row.frame.line.map(|line| line + 40);
    }
    assert_eq!(diff(&before, &after).differences, []);
    after.frames.hot.rows[1].self_samples *= 3;
    let found = diff(&before, &after).differences;
    assert_eq!(found.iter().map(|found| found.line).collect::<Vec<_>>(), [Some(46)]);
}
