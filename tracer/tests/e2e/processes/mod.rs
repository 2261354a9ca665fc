//! Processes that a target forks, executes and loses: in number, by the line that made them, and seen inside.

mod before;
mod churn;
mod ends;
mod groups;
mod memory;
mod tree;
mod workers;
mod zombies;

use serde_json::{Value, json};

use crate::harness::{Program, Python, Report, Tracer, number, on_every_python, rows, site, text, turn};

on_every_python!(numbers_equal_the_programs_truth, children_are_followed, children_are_left_alone);

fn traced(python: &Python, flags: &[&str]) -> (Report, Value, u32) {
    let _turn = turn();
    let mut program = Program::start(python, "processes.py");
    let tracer = Tracer::attach(program.pid(), flags);
    let truth = program.go();
    (tracer.stop().exact(), truth, program.pid())
}

fn numbers_equal_the_programs_truth(python: &Python) {
    let (report, truth, _) = traced(python, &[]);
    assert_numbers(&report, &truth);
    assert_orphaned(&report, &truth);
}

/// What came to be and what ended, as `processes.py` counts it.
pub fn assert_numbers(report: &Report, truth: &Value) {
    let processes = &report["processes"];
    for what in ["forked", "execed", "exited", "reaped"] {
        assert_eq!(processes[what], truth[what], "{what}");
    }
}

fn assert_orphaned(report: &Report, truth: &Value) {
    let orphans: Vec<_> = rows(&report["processes"]["orphans"])
        .map(|row| {
            json!({
                "pid": row["pid"],
                "old_ppid": row["old_ppid"],
                "new_ppid": row["new_ppid"],
                "old_parent_ended": row["old_parent_ended"],
            })
        })
        .collect();
    assert_eq!(orphans, [truth["orphan"].clone()]);
}

fn children_are_followed(python: &Python) {
    let (report, truth, root) = traced(python, &[]);
    assert_followed(&report, &truth, root, python);
}

/// Each child has its line, and is seen inside.
pub fn assert_followed(report: &Report, truth: &Value, root: u32, python: &Python) {
    for pid in truth["brief"].as_array().expect("pids") {
        assert_spawned(report, pid, &truth["brief_spawned_at"], root);
        let reads = reads_at(report, pid, &site(&truth["brief_read_at"]));
        assert_eq!(reads, 1, "a child that is gone a millisecond later has its line: {pid}");
    }

    for child in ["python", "sleep"] {
        let frames =
            &report.process(number(&truth[child]["pid"])).expect("children are in the report")["started_by"];
        let expected = site(&truth[child]["spawned_at"]);
        assert!(
            rows(frames).any(|frame| site(frame) == expected),
            "{child} was started by {expected}: {frames:#}"
        );
    }
    let sleep = report.process(number(&truth["sleep"]["pid"])).expect("children are in the report");
    assert_eq!((&sleep["comm"], &sleep["python"]), (&"sleep".into(), &Value::Null));

    for child in ["python", "became"] {
        assert_seen_after_exec(report, &truth[child], python);
    }
}

fn assert_spawned(report: &Report, pid: &Value, line: &Value, parent: u32) {
    let row = report.process(number(pid)).unwrap_or_else(|| panic!("{pid} is in the report"));
    assert_eq!(row["ppid"], parent, "{row}");
    assert_eq!(site(&row["started_by"][0]), site(line), "{row}");
    assert_eq!(row["root"], false, "{row}");
    assert!(row["ended_at_ns"].is_u64(), "{row}");
}

/// The interpreter is found again after exec, while the program runs on: some early reads have no line yet.
fn assert_seen_after_exec(report: &Report, child: &Value, python: &Python) {
    let process = report.process(number(&child["pid"])).expect("children are in the report");
    assert!(text(&process["python"]).starts_with(&python.version_prefix()), "{process}");

    let of_child = |row: &&Value| row["pid"] == child["pid"] && row["syscall"] == "pread64";
    let resolved: u64 = rows(&report["reads"])
        .filter(of_child)
        .filter(|row| row["stack"].get(0).is_some_and(|leaf| leaf["function"] == "read_after_exec"))
        .map(|row| number(&row["syscalls"]))
        .sum();
    let reported = number(&child["reads"]);
    assert!(2 * resolved >= reported, "{resolved} of {reported} reads have their line");
    let all: u64 = rows(&report["reads"]).filter(of_child).map(|row| number(&row["syscalls"])).sum();
    assert!(all >= reported, "{all} of {reported} reads");
}

fn reads_at(report: &Report, pid: &Value, line: &str) -> u64 {
    rows(&report["reads"])
        .filter(|row| &row["pid"] == pid && row["stack"].get(0).is_some_and(|leaf| site(leaf) == line))
        .map(|row| number(&row["syscalls"]))
        .sum()
}

fn children_are_left_alone(python: &Python) {
    let (report, truth, root) = traced(python, &["--no-follow"]);
    let own_forks = number(&truth["forked"]) - 1; // the orphan is its grandchild
    assert_eq!(report["processes"]["forked"], own_forks);
    let pids: Vec<_> = rows(&report["target"]["processes"]).map(|row| number(&row["pid"])).collect();
    assert_eq!(pids, [u64::from(root)]);
    let strangers = rows(&report["reads"]).filter(|row| row["pid"] != root).count();
    assert_eq!(strangers, 0, "reads of children that are not followed");
}
