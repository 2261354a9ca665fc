//! A GIL that is not there yet when the trace begins: 2.7 makes it when the first thread is started, and anew in a child.

use serde_json::Value;

use crate::harness::{Program, Python, Tracer, number, on_pythons, rows, turn};

on_pythons! {
    waits_for_a_gil_that_is_made_later_are_reported:
    python2_7 Two,
}

fn waits_for_a_gil_that_is_made_later_are_reported(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "late_threads.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    for spins in ["spin", "spin_forked"] {
        let is_in = |row: &&Value| {
            row["stack"].as_array().into_iter().flatten().any(|frame| frame["function"] == spins)
        };
        let of = |cause: &str| -> u64 {
            let of_cause = rows(&report["switches"]["causes"]).filter(|row| row["cause"] == cause);
            of_cause.filter(is_in).map(|row| number(&row["count"])).sum()
        };
        let (reported, waits) = (of("gil"), number(&truth[spins]));
        let others = of("lock") + of("other") + of("unknown");
        assert!(
            waits > 50 && reported * 100 >= waits * 97 && others * 100 <= waits * 3,
            "{spins}: {reported} of {waits}, {others} others: {:#}",
            report["switches"]["causes"]
        );
    }
    assert!(number(&report["gil"]["wait_ns"]) > 0, "{:#}", report["gil"]);
}
