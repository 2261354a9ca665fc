#![no_main]

use clap::Parser;

// The command line is the program's, not the library's.
#[allow(dead_code, unused_imports)]
#[path = "../../src/bin/tracer/cli/mod.rs"]
mod cli;

#[allow(dead_code)]
#[path = "../../src/bin/tracer/failure.rs"]
mod failure;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let words = bytes.split(|&byte| byte == b'\n').map(|word| String::from_utf8_lossy(word).into_owned());
    match cli::Cli::try_parse_from(["tracer".to_owned()].into_iter().chain(words)) {
        Ok(cli) => drop((cli.targets.pids(), cli.trace.options(), cli.redacts())),
        Err(error) => drop(error.to_string()),
    }
});
