//! What does not fit is counted to the unit, and the exit code says that something was lost.

use serde_json::Value;

use crate::harness::{
    Program, Python, Run, Signal, Status, Tracer, number, on_every_python, on_pythons, rows, site, text,
    turn, until,
};

on_every_python!(lost_signals_are_counted, lost_forks_are_counted, loss_may_be_allowed);
on_pythons! {
    sizes_without_room_are_reported_and_their_calls_are_counted:
    system System,
    python3_13 Release(13),
}
on_pythons! {
    a_section_says_what_it_lost:
    system System,
    python3_13 Release(13),
}

fn lost_signals_are_counted(python: &Python) {
    let (run, sent) = overflow(python, "burst.py", &[]);
    let report = run.report();
    let reported: u64 = rows(&report["signals"]).map(|row| number(&row["count"])).sum();
    assert_eq!(reported + number(&report["quality"]["lost"]["ring_full"]), sent, "{}", report["quality"]);
    assert!(reported < sent / 2, "the ring holds far less than {sent} events, {reported} were reported");
    assert_eq!(run.code, 8, "{}", run.stderr);
}

fn lost_forks_are_counted(python: &Python) {
    let (run, forked) = overflow(python, "fork_burst.py", &[]);
    let report = run.report();
    let (reported, lost) = (number(&report["processes"]["forked"]), report.lost());
    assert!(lost > 0 && reported < forked, "{reported} reported, {lost} lost: {}", report["quality"]);
    assert!(reported + lost >= forked, "{reported} reported and {lost} events lost of {forked} forks");
    assert_eq!(run.code, 8, "{}", run.stderr);
}

fn loss_may_be_allowed(python: &Python) {
    let (run, _) = overflow(python, "burst.py", &["--max-loss", "100%"]);
    assert!(run.report().lost() > 0);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

/// Reads of more files than there is room for: what is lost is a share of the reads, whatever else was hit, and the
/// remedy that is named helps.
fn a_section_says_what_it_lost(python: &Python) {
    let (run, read) = overflow(python, "many_files.py", &["--only", "reads", "--max-loss", "20%"]);
    let report = run.report();
    let sections = &report["quality"]["sections"];
    let of_reads = &sections["reads"];
    // With the last row, which stands for those that are left out.
    let all = report["reads"].as_array().expect("reads is a list");
    let counted: u64 = all.iter().map(|row| number(&row["syscalls"])).sum();
    let lost = number(&of_reads["lost"]["map_full"]);
    assert_eq!(number(&of_reads["hits"]), counted + lost, "{of_reads}");
    assert!(lost * 5 > read && counted + lost >= read, "{counted} counted and {lost} lost of {read}");
    assert_eq!(lost, report.lost(), "no other section lost: {sections}");
    let share = format!("{:.1}% of the reads", lost as f64 / (counted + lost) as f64 * 100.0);
    let said = text(&of_reads["text"]);
    assert!(said.starts_with(&share) && said.ends_with("; try --room 4"), "{share}: {said}");
    assert_eq!(run.code, 8, "{}", run.stderr);

    let (run, _) = overflow(python, "many_files.py", &["--only", "reads", "--room", "4"]);
    assert_eq!((run.report().lost(), run.code), (0, 0), "{}", run.stderr);
    assert_eq!(run.report()["quality"]["sections"]["reads"]["text"], Value::Null);
}

/// A line reads in more sizes than the kernel has room for: each call is in its row, and none of them is lost, too.
fn sizes_without_room_are_reported_and_their_calls_are_counted(python: &Python) {
    for (room, is_enough) in [("8", false), ("512", true)] {
        let mut program = Program::start(python, "many_sizes.py");
        let tracer = Tracer::attach(program.pid(), &["--only", "reads", "--table-rows", room]);
        let truth = program.go();
        let report = tracer.stop().report();
        let here = |row: &&Value| row["stack"].get(0).is_some_and(|leaf| site(leaf) == site(&truth["frame"]));
        let row = rows(&report["reads"]).find(here).expect("one row");
        let sum = |sizes: &str| row[sizes].as_object().expect("sizes").values().map(number).sum::<u64>();
        let (calls, unknown) = (number(&truth["calls"]), number(&row["sizes_unknown"]));
        assert_eq!((number(&row["syscalls"]), unknown == 0), (calls, is_enough), "{row:#}");
        assert_eq!(sum("requested").min(sum("returned")) + unknown, calls, "{row:#}");
        let lost = &report["quality"]["sections"]["reads"]["lost"]["map_full"];
        assert_eq!(lost, 0, "no call is counted and lost: {}", report["quality"]);
    }
}

/// Stops the tracer while a program does more than the ring buffer holds.
fn overflow(python: &Python, name: &str, flags: &[&str]) -> (Run, u64) {
    let _turn = turn();
    let mut program = Program::start(python, name);
    let tracer = Tracer::attach(program.pid(), &[&["--ring-size", "64KiB"], flags].concat());
    tracer.signal(Signal::STOP);
    until("the tracer to stop", || (Status::new(tracer.pid())?.state() == 'T').then_some(()));
    let done = number(&program.go());
    tracer.signal(Signal::CONT);
    (tracer.stop(), done)
}
