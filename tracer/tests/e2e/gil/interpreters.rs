//! Interpreters beside the main one: whose thread it is, and whose GIL it waits for.

use serde_json::Value;

use crate::harness::{Program, Python, Tracer, number, on_pythons, rows, turn};

on_pythons! {
    own_gils_are_gils:
    python3_12 Release(12),
    python3_13 Release(13),
    python3_14 Release(14),
}

on_pythons! {
    threads_of_older_interpreters_have_stacks:
    python2_7 Two,
}

fn own_gils_are_gils(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "interpreters.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let waits = number(&program.go()["waits"]);
    let report = tracer.stop().exact();
    let spins: Vec<_> =
        rows(&report["switches"]["causes"]).filter(|row| row["stack"][0]["function"] == "spin").collect();
    let of = |cause: &str| -> u64 {
        spins.iter().filter(|row| row["cause"] == cause).map(|row| number(&row["count"])).sum()
    };
    let (told, others) = (of("gil"), of("lock") + of("other") + of("unknown"));
    assert!(waits > 100 && told * 100 >= waits * 97 && told <= waits + 10, "{told} of {waits}: {spins:#?}");
    assert!(others * 100 <= waits * 3, "{others} beside {told}: {spins:#?}");
    // The main interpreter's GIL is another: its holder keeps nobody waiting.
    let held = |row: &Value| number(&row["held_while_others_waited_ns"]);
    let held: u64 = rows(&report["gil"]["holders"]).map(held).sum();
    assert!(held < 50_000_000, "{:#}", report["gil"]);
}

/// 2.7 has no slot for the thread state: its lists are searched, of all interpreters, beyond a thousand threads.
fn threads_of_older_interpreters_have_stacks(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "interpreters.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    let of_thread: Vec<_> =
        rows(&report["frames"]["stacks"]).filter(|row| row["tid"] == truth["tid"]).collect();
    assert!(!of_thread.is_empty(), "nothing of the thread that reads");
    assert!(of_thread.iter().all(|row| row["stack"][0]["function"] == "reads"), "{of_thread:#?}");
    let reads = rows(&report["switches"]["causes"]).filter(|row| row["stack"][0]["function"] == "reads");
    let count: u64 = reads.map(|row| number(&row["count"])).sum();
    assert!(count >= number(&truth["reads"]), "{count} of {truth}");
}
