//! `tracer doctor`: whether tracing will work.

use tracer::doctor::{examine, render};

use super::print;
use crate::cli::DoctorOptions;
use crate::failure::{Failure, exit_code};

/// Shows what was checked; the exit code is what tracing would have had.
pub fn doctor(options: &DoctorOptions) -> Result<u8, Failure> {
    let checkup = examine(options.pid);
    print(&checkup, &options.answer, render)?;
    Ok(checkup.stops().map_or(0, exit_code))
}
