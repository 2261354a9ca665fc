//! The `tracer` command: reads the command line and hands over to its verb.

mod cli;
mod commands;
mod console;
mod failure;
mod screen;
mod status;
mod stream;
mod writer;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Verb};
use failure::Failure;

fn main() -> ExitCode {
    match obey(&Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("tracer: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn obey(cli: &Cli) -> Result<u8, Failure> {
    match &cli.verb {
        None => commands::trace::trace(&cli.pids(), &cli.trace),
        Some(Verb::Dump(options)) => commands::dump::dump(options),
        Some(Verb::Signals(options)) => commands::signals::signals(options),
        Some(Verb::Run(options)) => commands::run::run(options),
        Some(Verb::Doctor(options)) => commands::doctor::doctor(options),
    }
}
