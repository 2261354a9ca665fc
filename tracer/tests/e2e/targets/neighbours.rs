//! Two tracers on one process, and a process of the same binary beside it.

use std::thread;

use serde_json::Value;

use crate::harness::{Program, Python, Report, Scratch, Tracer, number, on_every_python, rows, site};

on_every_python!(each_tracer_sees_its_target_alone);

fn each_tracer_sees_its_target_alone(python: &Python) {
    let scratch = Scratch::new();
    let start =
        |name| Program::start_with(python, "reads.py", &[scratch.file(name).to_str().expect("it is UTF-8")]);
    let (mut target, mut decoy) = (start("target"), start("decoy"));
    let tracers = [(); 2].map(|()| Tracer::attach(target.pid(), &[]));

    let truth = thread::scope(|scope| {
        scope.spawn(|| decoy.go());
        target.go()
    });
    for report in tracers.map(|tracer| tracer.stop().exact()) {
        assert_eq!(pids(&report), [u64::from(target.pid())]);
        for line in rows(&truth) {
            assert_eq!(calls_at(&report, line), number(&line["syscalls"]), "{line}");
        }
    }
}

/// Whose rows there are.
fn pids(report: &Report) -> Vec<u64> {
    let lists = [
        &report["target"]["processes"],
        &report["switches"]["causes"],
        &report["reads"],
        &report["frames"]["hot"],
        &report["frames"]["stacks"],
    ];
    let mut pids: Vec<_> = lists.into_iter().flat_map(rows).map(|row| number(&row["pid"])).collect();
    pids.extend(rows(&report["signals"]).map(|row| number(&row["target"]["pid"])));
    pids.sort_unstable();
    pids.dedup();
    pids
}

fn calls_at(report: &Report, line: &Value) -> u64 {
    let here = site(&line["frame"]);
    let at_line =
        rows(&report["reads"]).filter(|row| row["stack"].get(0).is_some_and(|leaf| site(leaf) == here));
    at_line.map(|row| number(&row["syscalls"])).sum()
}
