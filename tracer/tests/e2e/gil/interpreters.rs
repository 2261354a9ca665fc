//! Interpreters beside the main one: whose thread it is, and whose GIL it waits for.

use serde_json::Value;

use super::held_in;
use crate::harness::{Program, Python, Tracer, number, on_pythons, rows, text, turn};

on_pythons! {
    own_gils_are_gils:
    python3_12 Release(12),
    python3_13 Release(13),
    python3_14 Release(14),
}

on_pythons! {
    each_gil_has_its_own_holders:
    python3_12 Release(12),
    python3_14 Release(14),
}

on_pythons! {
    who_goes_over_waits_for_the_gil_there:
    python3_12 Release(12),
    python3_12_musl Foreign("python3.12-musl"),
    python3_13 Release(13),
    python3_13_musl Foreign("python3.13-musl"),
}

on_pythons! {
    a_collection_keeps_no_other_interpreter_waiting:
    python3_13 Release(13),
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
    let (reported, others) = (of("gil"), of("lock") + of("other") + of("unknown"));
    assert!(
        waits > 100 && reported * 100 >= waits * 97 && reported <= waits + 10,
        "{reported} of {waits}: {spins:#?}"
    );
    assert!(others * 100 <= waits * 3, "{others} beside {reported}: {spins:#?}");
    // Of two threads that compute, one holds it while the other waits. Nobody has it while the one that it was given to waits
    // for a CPU, and meanwhile both wait.
    let (held, queued) = (held_in(&report, "spin"), queued_for_it(&spins));
    let waited = number(&report["gil"]["wait_ns"]);
    let is_whole = held * 100 <= waited * 105 && (held + 2 * queued) * 100 >= waited * 95;
    assert!(is_whole, "{held} and {queued} of {waited}: {:#}", report["gil"]);
}

/// Two interpreters' threads hold their GILs at once: who waits for one is not charged to the other's holder, nor to the main
/// interpreter's, for which nobody waits.
fn each_gil_has_its_own_holders(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "own_gils.py");
    let tracer = Tracer::attach(program.pid(), &["--rate", "1999"]);
    let truth = program.go();
    let report = tracer.stop().exact();
    for line in rows(&truth) {
        let reported = number(&line["ns"]);
        let measured = held_in(&report, text(&line["function"]));
        assert!(
            measured.abs_diff(reported) * 100 <= reported * 5,
            "{measured} of {line}: {:#}",
            report["gil"]
        );
        let is_of_thread = |row: &&Value| row["frame"]["function"] == line["function"];
        let mut holders = rows(&report["gil"]["holders"]).filter(is_of_thread);
        assert!(holders.all(|row| row["tid"] == line["tid"]), "{line}: {:#}", report["gil"]);
    }
    assert_eq!(held_in(&report, "alone"), 0, "{:#}", report["gil"]);
}

/// A thread that waits for another interpreter's GIL still has the thread state of the one that it leaves; with 3.12 it has a
/// new one already, in which nothing runs, beside that.
fn who_goes_over_waits_for_the_gil_there(python: &Python) {
    let _turn = turn();
    let mut program = Program::start_with(python, "interpreters.py", &["visits"]);
    let tracer = Tracer::attach(program.pid(), &[]);
    let waits = number(&program.go()["waits"]);
    let report = tracer.stop().exact();
    let visits: Vec<_> =
        rows(&report["switches"]["causes"]).filter(|row| row["stack"][0]["function"] == "visit").collect();
    let of = |cause: &str| -> u64 {
        visits.iter().filter(|row| row["cause"] == cause).map(|row| number(&row["count"])).sum()
    };
    let (reported, others) = (of("gil"), of("lock") + of("other") + of("unknown"));
    assert!(waits > 20 && reported * 100 >= waits * 97, "{reported} of {waits}: {visits:#?}");
    assert!(others * 100 <= waits * 3, "{others} beside {reported}: {visits:#?}");
    // Nobody has it while the one that it was given to waits for a CPU: here and, when it is given back, there.
    let causes: Vec<_> = rows(&report["switches"]["causes"]).collect();
    let (held, queued) = (held_in(&report, "spin"), queued_for_it(&causes));
    assert!((held + queued) * 10 >= number(&report["gil"]["wait_ns"]) * 9, "{queued}: {:#}", report["gil"]);
}

/// How long threads with these rows waited for a CPU once they had been woken up for the GIL.
fn queued_for_it(rows: &[&Value]) -> u64 {
    rows.iter().filter(|row| row["cause"] == "gil").map(|row| number(&row["run_queue_ns"])).sum()
}

/// Of two threads of another interpreter one always waits for the GIL there, while the main interpreter collects.
fn a_collection_keeps_no_other_interpreter_waiting(python: &Python) {
    let _turn = turn();
    let mut program = Program::start_with(python, "interpreters.py", &["collects"]);
    let tracer = Tracer::attach(program.pid(), &[]);
    program.go();
    let report = tracer.stop().exact();
    let pauses: Vec<_> =
        rows(&report["gc"]["pauses"]).filter(|row| row["started_by"]["function"] == "collects").collect();
    assert!(!pauses.is_empty(), "{:#}", report["gc"]);
    assert!(pauses.iter().all(|row| row["waiters"] == 0), "{pauses:#?}");
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
