//! Processes and threads that come and go faster than tables are long.

use serde_json::{Value, json};

use crate::harness::{Program, Status, Tracer, number, rows, site, system, turn};

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

/// The kernel lets go of a process after its pid has been given to the next one, which is as new as any other.
#[test]
fn a_pid_that_comes_back_at_once_is_another_process() {
    const CHILDREN: u64 = 12;
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "again.py", &[&CHILDREN.to_string()]);
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();

    let processes = &report["processes"];
    let count = |name: &str| number(&processes[name]);
    assert_eq!(["forked", "exited", "reaped"].map(count), [CHILDREN + 1; 3], "{processes}");
    assert_eq!((processes["zombies"].as_array().map(Vec::len), &processes["orphans"]), (Some(0), &json!([])));
    let lives = || rows(&report["target"]["processes"]).filter(|row| row["pid"] == truth["pid"]);
    let codes: Vec<_> = lives().map(|row| row["exit_code"].clone()).collect();
    assert_eq!(Value::from(codes), truth["codes"], "each has its own end");
    assert!(lives().all(|row| row["reaped_at_ns"].is_u64()), "each was waited for");

    let here = |row: &&Value| row["pid"] == truth["pid"] && row["stack"][0].is_object();
    let read =
        rows(&report["reads"]).filter(here).find(|row| site(&row["stack"][0]) == site(&truth["read_at"]));
    assert_eq!(read.map(|row| number(&row["syscalls"])), Some(CHILDREN), "{:#}", report["reads"]);
    let of_child = |row: &&Value| row["number"] == 10 && row["target"]["pid"] == truth["pid"];
    let begun = rows(&report["signals"]).filter(of_child).filter(|row| row["handler"].is_object());
    // On a busy machine some live no longer than it takes to set a breakpoint in them.
    assert!(2 * begun.count() as u64 > CHILDREN, "breakpoints in each: {:#}", report["signals"]);
}

/// What a run knows of what has ended has bounds: what makes ever new processes, threads and signals to strangers takes as
/// much memory after a while as it does later.
#[test]
fn memory_does_not_grow_with_what_comes_and_goes() {
    let Some(python) = system() else { return };
    let _turn = turn();
    for (what, flags) in [("processes", &[][..]), ("threads", &[]), ("strangers", &["--no-follow"])] {
        let mut program = Program::start_with(&python, "endless.py", &[what]);
        let tracer = Tracer::attach(program.pid(), flags);
        program.say("go");
        let mut resident_after = |pieces| {
            for _ in 0..pieces {
                program.say(PIECE);
                program.hear();
            }
            Status::new(tracer.pid()).expect("it lives").resident_kib()
        };
        let (before, after) = (resident_after(WARM), resident_after(MEASURED));
        tracer.stop().report();
        assert!(after < before + GROWTH_KIB, "{what}: {before} KiB, then {after} KiB");
    }
}

/// What is made at a time: a busy machine takes a minute for ten times as many.
const PIECE: &str = "1000";
/// Pieces after which all tables of what has ended are full: the last one grew at 15,000 or 16,000, and none up to 66,000.
const WARM: usize = 17;
const MEASURED: usize = 6;
/// What the allocator keeps is not the same at two times; of 6,000 that leave 500 bytes each, 3 MB stay.
const GROWTH_KIB: u64 = 2 << 10;
