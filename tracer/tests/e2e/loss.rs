//! What does not fit is counted to the unit, and the exit code says that something was lost.

use crate::harness::{
    Program, Python, Run, Signal, Status, Tracer, number, on_every_python, rows, turn, until,
};

on_every_python!(lost_signals_are_counted, lost_forks_are_counted, loss_may_be_allowed);

fn lost_signals_are_counted(python: &Python) {
    let (run, sent) = overflow(python, "burst.py", &[]);
    let report = run.report();
    let told: u64 = rows(&report["signals"]).map(|row| number(&row["count"])).sum();
    assert_eq!(told + number(&report["quality"]["lost"]["ring_full"]), sent, "{}", report["quality"]);
    assert!(told < sent / 2, "the ring holds far less than {sent} events, {told} were told");
    assert_eq!(run.code, 8, "{}", run.stderr);
}

fn lost_forks_are_counted(python: &Python) {
    let (run, forked) = overflow(python, "fork_burst.py", &[]);
    let report = run.report();
    let (told, lost) = (number(&report["processes"]["forked"]), report.lost());
    assert!(lost > 0 && told < forked, "{told} told, {lost} lost: {}", report["quality"]);
    assert!(told + lost >= forked, "{told} told and {lost} events lost of {forked} forks");
    assert_eq!(run.code, 8, "{}", run.stderr);
}

fn loss_may_be_allowed(python: &Python) {
    let (run, _) = overflow(python, "burst.py", &["--max-loss", "100%"]);
    assert!(run.report().lost() > 0);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

/// Stops the tracer while a program does more than the ring buffer holds.
fn overflow(python: &Python, name: &str, flags: &[&str]) -> (Run, u64) {
    let _turn = turn();
    let mut program = Program::start(python, name);
    let tracer = Tracer::attach(program.pid(), &[&["--ring-size", "64KiB"], flags].concat());
    tracer.signal(Signal::STOP);
    until("the tracer to stop", || (Status::of(tracer.pid())?.state() == 'T').then_some(()));
    let done = number(&program.go());
    tracer.signal(Signal::CONT);
    (tracer.stop(), done)
}
