//! Machine code that the JIT makes keeps the interpreter's frames: time goes to the functions that spent it, and stacks are
//! whole.

use std::process::Command;

use crate::frames::walk::WHOLE_STACKS;
use crate::harness::{Program, Python, Tracer, number, on_pythons, rows, source, text, turn};

on_pythons! {
    compiled_functions_have_their_time:
    python3_14 Release(14),
    python3_15 Release(15),
}

/// CPU seconds that the program spends, by its own clock.
const SECONDS: &str = "3";
/// Parts of the whole by which a function's may be off: four standard deviations of a half in 3,000 samples, and a moment in
/// which the host takes the CPU away.
const OFF: f64 = 0.05;

fn compiled_functions_have_their_time(python: &Python) {
    let _turn = turn();
    let mut command = Command::new(&python.path);
    command.env("PYTHON_JIT", "1").arg("-B").arg(source("jitted.py")).arg(SECONDS);
    let mut program = Program::start_by(&mut command);
    let tracer = Tracer::attach(program.pid(), &[WHOLE_STACKS, &["--rate", "999"]].concat());
    let truth = program.go();
    let report = tracer.stop().exact();
    assert_eq!(truth["jit"], true, "Debian builds it in");

    let samples = |function: &str, column: &str| -> f64 {
        let here = rows(&report["frames"]["hot"]).filter(|row| text(&row["function"]) == function);
        here.map(|row| number(&row[column]) as f64).sum()
    };
    let work = [
        ("counts", vec!["counts"]),
        ("calls", vec!["calls", "called"]),
        ("iterates", vec!["iterates", "generates"]),
    ];
    let seen = work.map(|(name, functions)| {
        (name, functions.iter().map(|function| samples(function, "self_samples")).sum::<f64>())
    });
    let all: f64 = seen.iter().map(|(_, samples)| samples).sum();
    let seconds = |name: &str| truth["seconds"][name].as_f64().expect("seconds");
    let spent: f64 = seen.iter().map(|(name, _)| seconds(name)).sum();
    for (name, samples) in seen {
        let off = samples / all - seconds(name) / spent;
        assert!(off.abs() < OFF, "{name}: {off:.3} off: {seen:?}, {}", truth["seconds"]);
    }
    assert!(samples("called", "self_samples") > 0.0, "{:#}", report["frames"]["hot"]);

    let mut causes = rows(&report["switches"]["causes"]);
    let slept = causes.find(|row| row["cause"] == "sleep").expect("it slept");
    let stack: Vec<_> = rows(&slept["stack"]).map(|frame| text(&frame["function"])).collect();
    assert_eq!((stack.len(), stack[201]), (202, "<module>"), "{stack:?}");
    assert!(stack[..201].iter().all(|function| *function == "sleeps"), "{stack:?}");
}
