//! Processes and threads that come and go faster than tables are long.

use crate::harness::{Program, Tracer, number, system, turn};

/// The kernel takes several threads for the last one: the process has ended once all the same.
#[test]
fn threads_that_leave_at_once_are_one_end() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "leavers.py", &["400", "9"]);
    let tracer = Tracer::attach(program.pid(), &[]);
    let children = number(&program.go()["children"]);
    let report = tracer.stop().exact();
    let count = |name: &str| number(&report["processes"][name]);
    assert_eq!(["forked", "exited", "reaped"].map(count), [children; 3], "{}", report["processes"]);
    assert_eq!(report["processes"]["zombies"].as_array().map(Vec::len), Some(0), "{}", report["processes"]);
}

/// More of them than there is room for at a time: each makes room for the next.
#[test]
fn threads_that_waited_for_events_leave_nothing_behind() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "waiters.py", &["6000"]);
    let tracer = Tracer::attach(program.pid(), &["--only", "reads,switches,processes"]);
    let threads = number(&program.go()["threads"]);
    let report = tracer.stop().exact();
    assert!(number(&report["switches"]["voluntary"]) > threads, "{}", report["switches"]);
}
