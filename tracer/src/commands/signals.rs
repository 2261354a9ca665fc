//! `tracer signals`: what each signal would do now.

use tracer::dispositions::{look, render};
use tracer::report::output::{Destination, Format};

use super::{say_gone, threads_among};
use crate::cli::SignalsOptions;
use crate::failure::Failure;
use crate::screen;

/// Shows the signals of some processes.
pub fn signals(options: &SignalsOptions) -> Result<u8, Failure> {
    let pids = options.targets.pids();
    if pids.is_empty() {
        return Err(Failure::NoPid);
    }
    threads_among(&pids).for_each(|line| eprintln!("tracer: {line}"));
    let signals = look(&pids, &mut say_gone)?;
    let text = if options.json {
        let json = if screen::is_terminal() { serde_json::to_string_pretty } else { serde_json::to_string };
        json(&signals).expect("every key is a string") + "\n"
    } else {
        render(&signals, screen::style(options.color, screen::is_terminal()))
    };
    Destination::stdout(Format::Text).finish(text.as_bytes())?;
    Ok(0)
}
