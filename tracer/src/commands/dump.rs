//! `tracer dump`: where every thread is now.

use tracer::dump::{Dump, dump as look, render};
use tracer::report::output::{Destination, Format};

use super::{say_gone, threads_among};
use crate::cli::DumpOptions;
use crate::failure::Failure;
use crate::screen;

/// Shows the threads of some processes.
pub fn dump(options: &DumpOptions) -> Result<u8, Failure> {
    let pids = options.targets.pids();
    if pids.is_empty() {
        return Err(Failure::NoPid);
    }
    threads_among(&pids).for_each(|line| eprintln!("tracer: {line}"));
    let dumped = look(&pids, options.depth, &mut say_gone)?;
    if let Some(error) = &dumped.not_sampled {
        eprintln!("tracer: threads that run may be torn: {error}");
    }
    let text = if options.json { json(&dumped.dump) } else { text(&dumped.dump, options) };
    Destination::stdout(Format::Text).finish(text.as_bytes())?;
    drop(dumped); // detaching may take a while: the dump has been shown
    Ok(0)
}

fn text(dump: &Dump, options: &DumpOptions) -> String {
    render(dump, screen::style(options.color, screen::is_terminal()))
}

fn json(dump: &Dump) -> String {
    let json = if screen::is_terminal() { serde_json::to_string_pretty } else { serde_json::to_string };
    json(dump).expect("every key of a dump is a string") + "\n"
}
