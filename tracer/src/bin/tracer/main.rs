//! The `tracer` command: reads the command line and hands over to its verb.

mod cli;
mod commands;
mod console;
mod failure;
mod notice;
mod saved_files;
mod screen;
mod status;
mod stream;
mod writer;

use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use cli::{Cli, Verb};
use failure::Failure;
use tracer::report::Sentence;
use tracer::{limits, redact};

fn main() -> ExitCode {
    limits::keep_little_memory();
    // First of all: on a stack that is too small, nothing can be parsed either.
    let obeyed = limits::raise().map_err(Failure::from).and_then(|()| obey(&parse()));
    let code = obeyed.unwrap_or_else(|failure| {
        notice::say(&failure);
        failure.exit_code()
    });
    notice::settle();
    ExitCode::from(code)
}

/// The command line; what is wrong with it is printed without the characters that could make it read otherwise.
fn parse() -> Cli {
    let is_short_help = std::env::args_os().skip(1).eq(["-h"]);
    let command = if is_short_help { cli::with_short_help() } else { Cli::command() };
    let read = command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    read.unwrap_or_else(|error| {
        let text = error.to_string();
        let shown: Vec<_> = text.lines().map(Sentence::new).collect();
        if !error.use_stderr() || text.lines().eq(shown.iter().map(Sentence::as_str)) {
            error.exit();
        }
        shown.iter().for_each(|line| _ = writeln!(stderr(), "{}", line.as_str()));
        std::process::exit(error.exit_code());
    })
}

fn obey(cli: &Cli) -> Result<u8, Failure> {
    // The command of `run` has all rights that it would have without us.
    if !matches!(cli.verb, Some(Verb::Run(_))) {
        limits::give_up_rights();
    }
    if cli.redacts() {
        redact::begin();
    }
    match &cli.verb {
        None => commands::trace::trace(&cli.targets, &cli.trace),
        Some(Verb::Dump(options)) => commands::dump::dump(options),
        Some(Verb::Signals(options)) => commands::signals::signals(options),
        Some(Verb::Ps(options)) => commands::ps::ps(options),
        Some(Verb::Run(options)) => commands::run::run(options),
        Some(Verb::Diff(options)) => commands::diff::diff(options),
        Some(Verb::Export(options)) => commands::export::export(options),
        Some(Verb::Record(options)) => commands::record::record(options),
        Some(Verb::Report(options)) => commands::report::report(options),
        Some(Verb::Doctor(options)) => commands::doctor::doctor(options),
        Some(Verb::Completions(options)) => commands::describe::completions(options),
        Some(Verb::Man(options)) => commands::describe::man(options),
    }
}
