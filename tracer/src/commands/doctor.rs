//! `tracer doctor`: whether tracing will work.

use tracer::doctor::{Checkup, examine, render};
use tracer::report::output::{Destination, Format};

use crate::cli::DoctorOptions;
use crate::failure::Failure;
use crate::screen;

/// Shows what was looked at; the exit code is what tracing would have had.
pub fn doctor(options: &DoctorOptions) -> Result<u8, Failure> {
    let checkup = examine(options.pid);
    let text = if options.json {
        json(&checkup)
    } else {
        render(&checkup, screen::style(options.color, screen::is_terminal()))
    };
    Destination::stdout(Format::Text).finish(text.as_bytes())?;
    Ok(checkup.exit_code())
}

fn json(checkup: &Checkup) -> String {
    let json = if screen::is_terminal() { serde_json::to_string_pretty } else { serde_json::to_string };
    json(checkup).expect("every key of a checkup is a string") + "\n"
}
