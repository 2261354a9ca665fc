//! What each signal of some processes would do now: what the kernel has for it, what Python calls, who holds it back.
//!
//! All of it is read from `/proc` and the processes' memory. No probe is loaded, and a process that sleeps sleeps on.

mod callable;
mod collect;
mod model;
mod text;

pub use model::{Handler, ProcessSignals, Signal, Signals, ThreadSignals};
pub use text::render;

use crate::event::Pid;
use crate::process::Error;
use crate::roots::Root;

/// Reads some processes; which of them are gone.
///
/// # Errors
/// When one of them is no Python that is known, or none is left.
pub fn read(pids: &[Pid], gone: &mut dyn FnMut(&Error)) -> Result<Signals, Error> {
    let roots = Root::open_all(pids, gone)?;
    let processes = roots.iter().map(collect::process).collect::<Result<_, _>>()?;
    Ok(Signals { schema: Signals::SCHEMA, processes })
}
