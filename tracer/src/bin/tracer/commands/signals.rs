//! `tracer signals`: what each signal would do now.

use tracer::dispositions::{read, render};

use super::{pids, print, say_gone, threads_among};
use crate::cli::SignalsOptions;
use crate::failure::Failure;
use crate::notice;

/// Shows the signals of some processes.
pub fn signals(options: &SignalsOptions) -> Result<u8, Failure> {
    let pids = pids(&options.targets)?;
    threads_among(&pids).for_each(notice::say);
    let signals = read(&pids, &mut say_gone)?;
    print(&signals, &options.answer, render)?;
    Ok(0)
}
