//! `tracer completions` and `tracer man`: the command line, described for shells and for man(1).

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use tracer::report::Format;
use tracer::report::output::{Destination, OutputError};

use crate::cli::{Cli, CompletionsOptions, ManOptions};
use crate::failure::Failure;

/// Prints what a shell needs to complete our command line.
pub fn completions(options: &CompletionsOptions) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "tracer", &mut script);
    print(&script)
}

/// Prints a manual page.
pub fn man(options: &ManOptions) -> Result<u8, Failure> {
    let mut page = Vec::new();
    let version = concat!("tracer ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command(options.command.as_deref())).source(version);
    man.render(&mut page).map_err(OutputError::Stdout)?;
    print(&page)
}

/// Of the whole command line, or of one of its commands.
fn command(name: Option<&str>) -> Command {
    let mut all = Cli::command();
    all.build(); // commands then know that they are called by `tracer`
    name.and_then(|name| all.find_subcommand(name)).cloned().unwrap_or(all)
}

fn print(bytes: &[u8]) -> Result<u8, Failure> {
    Destination::stdout(Format::Text).finish(bytes)?;
    Ok(0)
}
