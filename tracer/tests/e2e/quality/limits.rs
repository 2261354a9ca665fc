//! What is larger than usual, and more than there is room for.

use serde_json::Value;

use crate::harness::{Program, Python, Tracer, number, on_every_python, rows, site, system, turn};

on_every_python!(reads_of_gigabytes_are_reported, a_full_table_mixes_nothing_up);

fn reads_of_gigabytes_are_reported(python: &Python) {
    let mut program = Program::start(python, "large_reads.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    let here = |row: &&Value| row["stack"].get(0).is_some_and(|leaf| site(leaf) == site(&truth["frame"]));
    let read = rows(&report["reads"]).find(here).expect("a row of its line");
    let asked: Vec<_> = read["requested"].as_object().expect("sizes").iter().collect();
    assert_eq!(asked, [(&truth["asked"].to_string(), &truth["times"])], "{read:#}");
    assert_eq!((&read["bytes"], &read["syscalls"]), (&truth["got"], &truth["times"]));
}

/// Time on a CPU is not reported as off it, in whatever row: what has no row is lost, and counted.
fn a_full_table_mixes_nothing_up(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "full.py");
    let flags = ["--table-rows", "8", "--only", "switches"];
    let tracer = Tracer::attach(program.pid(), &flags);
    let truth = program.go();
    let run = tracer.stop();
    let report = run.report();
    assert_eq!(run.code, 8, "{}", run.stderr);
    assert!(number(&report["quality"]["lost"]["map_full"]) > 1000, "{}", report["quality"]);
    let own = rows(&report["switches"]["causes"]).filter(|row| row["pid"] == program.pid());
    let off_cpu: u64 = own.map(|row| number(&row["off_cpu_ns"])).sum();
    let (on_cpu, window) = (number(&truth["on_cpu_ns"]), number(&report["window"]["duration_ns"]));
    assert!(off_cpu + on_cpu <= window, "{off_cpu} off a CPU, {on_cpu} on one, of {window}");
}

/// Whichever table is full: each hit ends somewhere, and what found no room is counted.
#[test]
fn full_tables_lose_nothing_silently() {
    let Some(python) = system() else { return };
    let _turn = turn();
    for name in ["switches.py", "wakers.py", "loops.py", "gil.py", "processes.py", "zombies.py"] {
        let mut program = Program::start(&python, name);
        let tracer = Tracer::attach(program.pid(), &["--table-rows", "8"]);
        program.go();
        let run = tracer.stop();
        let lost = number(&run.report()["quality"]["lost"]["map_full"]);
        assert!(lost > 0 && run.code == 8, "{name}: {lost} lost, exit code {}: {}", run.code, run.stderr);
    }
}
