//! On programs of every sort the causes add up to what the kernel counted, and nearly all off-CPU time has a name.

use crate::harness::{Program, Report, Tally, Tracer, number, rows, system, text, turn};

/// All threads but the main one are asleep, or not there, when the window begins and ends; that one may be on its way.
const MAIN_THREAD: u64 = 2;

/// What a program is off its CPU for, besides others.
const PROGRAMS: [(&str, &[&str]); 11] = [
    ("ends", &["sleep"]),
    ("locks", &["lock", "sleep"]),
    ("processes", &["lock", "read"]),
    ("sockets", &["poll"]),
    ("database", &["disk"]),
    ("pipes", &["poll", "wait"]),
    ("sleeps", &["sleep"]),
    ("selects", &["poll"]),
    ("disk", &["disk"]),
    ("faults", &["page_fault"]),
    ("computes", &[]),
];

#[test]
fn causes_add_up_on_programs_of_every_sort() {
    let Some(python) = system() else { return };
    let _turn = turn();
    for (name, expected) in PROGRAMS {
        let mut program = Program::start_with(&python, "ledger.py", &[name]);
        let tracer = Tracer::attach(program.pid(), &["--only", "switches"]);
        program.go();
        assert!(program.rests(), "the main thread sleeps in its next read");
        let report = tracer.stop().exact();
        assert_adds_up(name, &report);
        assert_named(name, &report, expected);
    }
}

fn assert_adds_up(name: &str, report: &Report) {
    let switches = &report["switches"];
    let causes = switches["causes"].as_array().expect("causes is a list");
    let sum = |field: &str| causes.iter().map(|row| number(&row[field])).sum::<u64>();
    assert_eq!(
        sum("count"),
        number(&switches["voluntary"]) + number(&switches["involuntary"]),
        "{name}: causes and all switches"
    );
    assert_eq!(sum("off_cpu_ns"), number(&switches["off_cpu_ns"]), "{name}: causes and all off-CPU time");
    for kind in ["voluntary", "involuntary"] {
        let [kernel, ours] =
            ["kernel_", "checked_"].map(|prefix| number(&switches[format!("{prefix}{kind}")]));
        assert!(kernel.abs_diff(ours) <= MAIN_THREAD, "{name}: {ours} {kind}, {kernel} by the kernel");
    }
}

fn assert_named(name: &str, report: &Report, expected: &[&str]) {
    let mut times = Tally::new();
    for row in rows(&report["switches"]["causes"]) {
        *times.entry(text(&row["cause"]).to_owned()).or_default() += number(&row["off_cpu_ns"]);
    }
    let vague: u64 = ["other", "unknown"].iter().filter_map(|&cause| times.get(cause)).sum();
    let all = number(&report["switches"]["off_cpu_ns"]);
    assert!(vague * 50 <= all, "{name}: {vague} of {all} ns have no cause: {times:?}");
    for &cause in expected {
        assert!(times.get(cause) > Some(&0), "{name}: nothing for {cause}: {times:?}");
    }
}
