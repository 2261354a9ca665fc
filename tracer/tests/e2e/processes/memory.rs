//! Who was killed because memory ran out: the kernel did it, and in which control group.

use crate::harness::{Program, Tracer, number, rows, skip, system, text};

#[test]
fn a_kill_for_memory_is_the_kernels() {
    let Some(python) = system() else { return };
    let mut program = Program::start(&python, "memory.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    if let Some(reason) = truth["impossible"].as_str() {
        return skip(&format!("no control group of the test's own: {reason}"));
    }
    assert_eq!(truth["status"], 9, "the kernel killed it: {truth}");

    let child = report.process(number(&truth["pid"])).expect("it is followed");
    assert_eq!(
        (&child["out_of_memory"], &child["exit_signal"]),
        (&true.into(), &"SIGKILL".into()),
        "{child}"
    );
    assert_eq!(child["cgroup"], truth["cgroup"], "{child}");

    let kill = rows(&report["signals"]).find(|row| row["number"] == 9).expect("a SIGKILL");
    assert_eq!((&kill["origin"], &kill["outcome"]), (&"oom".into(), &"killed".into()), "{kill}");
    assert!(kill["sender"].is_null(), "{kill}");

    let sentence = rows(&report["findings"]).find(|row| row["kind"] == "signal_kill").expect("a sentence");
    let expected = format!(
        "SIGKILL from the kernel, because memory ran out in control group {}, killed pid {} (",
        text(&truth["cgroup"]),
        truth["pid"]
    );
    assert!(text(&sentence["text"]).starts_with(&expected), "{sentence}");
}
