//! A target that does nothing but what costs: detail is given up and said to be, and no count is wrong for it.

use crate::harness::{Program, Python, Tracer, number, on_every_python, rows, text, turn};

on_every_python!(what_is_given_up_is_told);

const SECONDS: &str = "5";

fn what_is_given_up_is_told(python: &Python) {
    let _turn = turn();
    let mut program = Program::start_with(python, "budget.py", &[SECONDS]);
    let tracer = Tracer::attach(program.pid(), &["--budget", "15%"]);
    let truth = program.go();
    let report = tracer.stop().exact();

    let shed: Vec<_> = rows(&report["overhead"]["shed"]).map(|shed| text(&shed["what"])).collect();
    assert!(shed.contains(&"call sites of reads"), "{shed:?}");
    let reads = rows(&report["reads"]).filter(|row| row["path"] == "/dev/zero");
    let (seen, calls) = (reads.map(|row| number(&row["syscalls"])).sum::<u64>(), number(&truth["calls"]));
    if shed.iter().any(|what| what.starts_with("reads")) {
        let covered = number(&report["overhead"]["reads_covered_ns"]);
        assert!(seen < calls && covered < number(&report["window"]["duration_ns"]), "{seen} of {calls}");
    } else {
        assert_eq!(seen, calls, "{shed:?}");
    }
}
