//! A target that does nothing but what costs: detail is given up and said to be, and no count is wrong for it.

use crate::harness::{Program, Python, Tracer, number, on_every_python, rows, system, text, turn};

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

/// Breakpoints that are hit by whatever makes arguments go, soon: what they told is unknown from then on, not missing.
#[test]
fn breakpoints_that_cost_too_much_go() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "arguments.py", &["1"]);
    let tracer = Tracer::attach(program.pid(), &["--budget", "15%"]);
    assert_eq!(program.go()["handled"], 1);
    let report = tracer.stop().exact();
    let what = "starts of the signal handlers of all processes";
    let shed = rows(&report["overhead"]["shed"]).find(|shed| text(&shed["what"]) == what);
    let shed = shed.unwrap_or_else(|| panic!("{}", report["overhead"]));
    assert!(text(&shed["why"]).starts_with("the breakpoints took "), "{shed}");
    assert!(number(&shed["at_ns"]) < 700_000_000, "{shed}");
    let sent: Vec<_> = rows(&report["signals"]).filter(|row| row["signal"] == "SIGUSR1").collect();
    let [sent] = sent[..] else { panic!("one signal: {sent:?}") };
    assert_eq!((&sent["handler_state"], &sent["outcome"]), (&"unknown".into(), &"handled".into()), "{sent}");
}
