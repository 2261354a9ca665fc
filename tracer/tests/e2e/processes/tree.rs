//! The tree of processes as it happened: how each was made and where, what it executed, how it ended, who waited.

use crate::harness::{Program, Python, Tracer, number, on_every_python, rows, site, system, text, turn};

on_every_python!(every_child_is_reported_once);

fn every_child_is_reported_once(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "tree.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();

    for child in rows(&truth["children"]) {
        let found: Vec<_> =
            rows(&report["target"]["processes"]).filter(|row| row["pid"] == child["pid"]).collect();
        let [row] = found[..] else { panic!("{child} is reported {} times", found.len()) };
        assert_eq!(site(&row["started_at"]), site(&child["started_at"]), "{row}");
        for (name, expected) in child.as_object().expect("a child is an object") {
            if name != "started_at" {
                assert_eq!(&row[name], expected, "{name}: {row}");
            }
        }
        assert!(number(&row["ended_at_ns"]) >= number(&row["at_ns"]), "{row}");
        let reaped = row["reaped_at_ns"].as_u64();
        assert_eq!(reaped.is_some(), row["reaped_by"].is_u64(), "{row}");
        assert!(reaped.is_none_or(|at| at >= number(&row["ended_at_ns"])), "{row}");
    }

    let served = report.process(number(&truth["forkserver"])).expect("it is a grandchild");
    let server = report.process(number(&served["ppid"])).expect("it is a child");
    assert_eq!(server["ppid"], program.pid());
    assert!(text(&server["title"]).contains("forkserver"), "{server}");

    let root = report.process(program.pid().into()).expect("it is traced");
    assert_eq!((&root["pgid"], &root["how"]), (&program.pid().into(), &serde_json::Value::Null));
}

/// Two thousand processes in a tree of their own: each is counted, or lost and counted so.
#[test]
fn a_fork_bomb_is_exact_or_lost() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start(&python, "bomb.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let forked = number(&program.go());
    let report = tracer.stop().report();

    let processes = &report["processes"];
    let reported = number(&processes["forked"]);
    assert!(
        reported <= forked && reported + report.lost() >= forked,
        "{reported} of {forked}: {}",
        report["quality"]
    );
    if report.lost() == 0 {
        let counts = ["forked", "exited", "reaped"].map(|what| number(&processes[what]));
        assert_eq!(counts, [forked; 3]);
        let rows = report["target"]["processes"].as_array().expect("a list");
        let omitted = rows.last().and_then(|row| row["omitted"].as_u64()).expect("not all of them fit");
        assert_eq!(rows.len() as u64 - 1 + omitted, forked + 1, "and the root");
    }
}

#[test]
fn a_loop_that_polls_is_reported() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start(&python, "polls.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let line = program.go();
    let report = tracer.stop().exact();
    let found = rows(&report["findings"]).find(|row| row["kind"] == "child_poll").expect("a finding");
    assert_eq!(site(&found["frame"]), site(&line), "{found}");
}
