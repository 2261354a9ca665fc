//! Every context switch is counted, as the kernel counts it, and has a cause.

mod deadlock;
mod ledger;
mod over_time;
mod stops;
mod wakers;

use crate::harness::{
    Program, Python, Report, Tally, Tracer, number, on_every_python, rows, run, source, system, text, turn,
};

on_every_python!(counts_equal_the_kernels, counts_of_what_has_ended_equal_the_kernels);

/// All threads but the main one sleep when the window begins and ends; that one may be on its way into a read.
const MAIN_THREAD: u64 = 2;
/// A worker wakes up to begin and goes to sleep at its end, and may wait for the GIL in between.
const OUTSIDE_OF_WORK: u64 = 10;

fn counts_equal_the_kernels(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "switches.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    assert!(program.rests(), "the main thread sleeps in its next read");
    let report = tracer.stop().exact();

    let switches = &report["switches"];
    for kind in ["voluntary", "involuntary"] {
        let [kernel, checked, all] =
            ["kernel_", "checked_", ""].map(|prefix| number(&switches[format!("{prefix}{kind}")]));
        assert!(kernel.abs_diff(checked) <= MAIN_THREAD, "{kind}: {checked} counted, {kernel} by the kernel");
        assert!(all >= checked, "{kind}: {all} of all threads, {checked} of some");
        let workers = number(&truth[format!("workers_{kind}")]);
        assert!(kernel >= workers, "{kind}: {kernel}, the program's threads alone had {workers}");
    }
    let workers = number(&truth["workers_voluntary"]);
    let most = workers + OUTSIDE_OF_WORK * number(&truth["threads"]) + main_threads_own(&report);
    let voluntary = number(&switches["voluntary"]);
    assert!(voluntary <= most, "{voluntary} voluntary, expected {most} at most");
    assert_causes_add_up(&report, program.pid());
}

/// Threads that end in the window, and a process that does: their last switches report what the kernel has counted.
fn counts_of_what_has_ended_equal_the_kernels(python: &Python) {
    let _turn = turn();
    let program = [&python.path, &source("enders.py")];
    let words = ["run", "--json", "--budget", "off", "--"].iter().map(AsRef::as_ref);
    let run = run(words.chain(program.map(|path| path.as_os_str())));
    let report = run.exact();
    let switches = &report["switches"];
    let of = |prefix: &str, kind: &str| number(&switches[format!("{prefix}{kind}")]);
    for kind in ["voluntary", "involuntary"] {
        let [kernel, checked, all] = ["kernel_", "checked_", ""].map(|prefix| of(prefix, kind));
        assert_eq!(checked, kernel, "{kind}: {switches}");
        // The main thread's last switch may come after the window.
        assert!(all - checked <= of("", "voluntary") / 4, "{kind}: {checked} of {all}");
    }
    // 40 threads that sleep ten times each.
    assert!(of("kernel_", "voluntary") >= 400, "{switches}");
}

/// Threads that are ready to run and have no CPU when the window begins have a reason for that moment, too.
#[test]
fn who_waits_for_a_cpu_at_the_begin_is_preempted() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start(&python, "crowded.py");
    let tracer = Tracer::attach(program.pid(), &["--only", "switches", "-d", "1s"]);
    let truth = program.go();
    let report = tracer.end().exact();
    program.finish();
    let children: Vec<_> = rows(&truth["children"]).collect();
    let at_begin: Vec<_> = rows(&report["switches"]["causes"])
        .filter(|row| children.contains(&&row["pid"]) && row["began_before"] != 0)
        .collect();
    let waited: u64 = at_begin.iter().map(|row| number(&row["began_before"])).sum();
    assert!(2 * waited >= children.len() as u64, "{waited} of {}: {at_begin:#?}", children.len());
    assert!(at_begin.iter().all(|row| row["cause"] == "preempted"), "{at_begin:#?}");
    assert!(at_begin.iter().all(|row| row["off_cpu_ns"] == row["run_queue_ns"]), "{at_begin:#?}");
}

/// Switches with the main thread's lines on their stacks.
fn main_threads_own(report: &Report) -> u64 {
    let outermost =
        |row: &serde_json::Value| Some(row["stack"].as_array()?.last()?["function"] == "<module>");
    let of_main = rows(&report["switches"]["causes"]).filter(|row| outermost(row) == Some(true));
    of_main.map(|row| number(&row["count"])).sum()
}

fn assert_causes_add_up(report: &Report, pid: u32) {
    let switches = &report["switches"];
    let causes = switches["causes"].as_array().expect("causes is a list");
    let counted: u64 = causes.iter().map(|row| number(&row["count"])).sum(); // with what did not fit
    assert_eq!(counted, number(&switches["voluntary"]) + number(&switches["involuntary"]));

    let mut by_cause = Tally::new();
    for row in rows(&switches["causes"]).filter(|row| row["pid"] == pid) {
        *by_cause.entry(text(&row["cause"]).to_owned()).or_default() += number(&row["count"]);
    }
    for (cause, least) in [("sleep", 500), ("lock", 50), ("read", 50), ("poll", 100), ("gil", 20)] {
        assert!(by_cause.get(cause) >= Some(&least), "{cause}: expected {least} at least in {by_cause:?}");
    }
    let vague: u64 = ["other", "unknown"].iter().filter_map(|&cause| by_cause.get(cause)).sum();
    assert!(100 * vague <= counted, "more than 1 % have no cause: {by_cause:?}");
}
