//! Who was killed because memory ran out: the kernel did it, and in which control group.

use serde_json::Value;

use crate::harness::{Program, Python, Report, Tracer, number, rows, skip, system, text};

#[test]
fn a_kill_for_memory_is_the_kernels() {
    let Some(python) = system() else { return };
    let Some((report, truth)) = killed(&python, &[]) else { return };
    let child = report.process(number(&truth["pid"])).expect("it is followed");
    assert_eq!(child["cgroup"], truth["cgroup"], "{child}");
    let group = format!(" in control group {}", text(&truth["cgroup"]));
    assert_eq!(sentence(&report), expected(&truth, &group));
}

/// The group of one that is gone before it is read is not known: its parent's would be a wrong one.
#[test]
fn the_group_of_one_that_is_reaped_at_once_is_the_right_one_or_none() {
    let Some(python) = system() else { return };
    let Some((report, truth)) = killed(&python, &["reaped"]) else { return };
    let child = report.process(number(&truth["pid"])).expect("it is followed");
    let group = match &child["cgroup"] {
        Value::Null => String::new(),
        group => {
            assert_eq!(group, &truth["cgroup"], "{child}");
            format!(" in control group {}", text(group))
        }
    };
    assert_eq!(sentence(&report), expected(&truth, &group));
}

/// A run in which the kernel killed a child; `None` where no group of its own can be made.
fn killed(python: &Python, arguments: &[&str]) -> Option<(Report, Value)> {
    let mut program = Program::start_with(python, "memory.py", arguments);
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    if let Some(reason) = truth["impossible"].as_str() {
        skip(&format!("no control group of the test's own: {reason}"));
        return None;
    }
    assert_eq!(truth["signal"], 9, "the kernel killed it: {truth}");

    let child = report.process(number(&truth["pid"])).expect("it is followed");
    assert_eq!(
        (&child["out_of_memory"], &child["exit_signal"]),
        (&true.into(), &"SIGKILL".into()),
        "{child}"
    );
    let kill = rows(&report["signals"]).find(|row| row["number"] == 9).expect("a SIGKILL");
    assert_eq!((&kill["origin"], &kill["outcome"]), (&"oom".into(), &"killed".into()), "{kill}");
    assert!(kill["sender"].is_null(), "{kill}");
    Some((report, truth))
}

/// Up to the victim's name.
fn sentence(report: &Report) -> String {
    let found = rows(&report["findings"]).find(|row| row["kind"] == "signal_kill").expect("a sentence");
    let (begin, _) = text(&found["text"]).split_once(" (").expect("the victim's name");
    begin.to_owned()
}

fn expected(truth: &Value, group: &str) -> String {
    format!("SIGKILL from the kernel, because memory ran out{group}, killed pid {}", truth["pid"])
}
