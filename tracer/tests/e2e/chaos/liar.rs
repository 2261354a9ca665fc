//! A process that looks like an interpreter and writes over all that it has of one while it is read.

use std::process::Command;
use std::time::{Duration, Instant};

use super::{MEMORY, assert_orderly};
use crate::harness::{Program, Scratch, Tracer, number, rows, run, system, text, turn};
use crate::targets::compiled;

const LIAR: &str = include_str!("../../programs/liar.c");

#[test]
fn lies_for_a_while() {
    lies(10, "2s");
}

#[test]
#[ignore = "minutes: cargo xtask chaos"]
fn lies_for_long() {
    lies(500, "60s");
}

/// Whatever it says, commands end in time, within bounds, and in good order.
fn lies(dumps: u32, duration: &str) {
    if system().is_none() {
        return;
    }
    let (_turn, scratch) = (turn(), Scratch::new());
    let Some(liar) = compiled(&scratch, LIAR, &["-rdynamic".to_owned(), "-pthread".to_owned()]) else {
        return;
    };
    let mut program = Program::start_by(&mut Command::new(liar));
    let pid = program.pid().to_string();

    let honest = run(["dump", "--json", &pid]);
    let dumped: serde_json::Value = serde_json::from_str(&honest.stdout).expect("it is believed at first");
    let frames = dumped["threads"][0]["stack"].as_array().map_or(0, Vec::len);
    assert_eq!(frames, 200, "{}", honest.stderr);

    let tracer = Tracer::attach(program.pid(), &["-d", duration, "--rate", "999", "--max-loss", "100%"]);
    program.go();
    let report = tracer.end().report();
    let reported = rows(&report["frames"]["stacks"]).filter_map(|row| row["stack"].get(0));
    assert!(
        reported.into_iter().any(|leaf| text(&leaf["function"]) == "a_function_of_the_liar"),
        "it is traced"
    );
    let peak = number(&report["overhead"]["tracer_peak_rss_bytes"]);
    assert!(peak < MEMORY, "{} MiB", peak >> 20);

    for command in [&["dump", "--json"][..], &["signals"], &["-d", "100ms", "--json"]] {
        for time in 0..dumps {
            let began = Instant::now();
            let run = run([command, &[&*pid]].concat());
            assert!(began.elapsed() < Duration::from_secs(4), "{command:?}: {:?}", began.elapsed());
            if command[0] == "-d" {
                assert_orderly(&run, &format!("trace {time}"));
            } else {
                assert!(
                    [0, 1, 6].contains(&run.code) && !run.stderr.contains("panicked"),
                    "{command:?}: {run:?}"
                );
            }
        }
    }
    assert!(program.answers());
}
