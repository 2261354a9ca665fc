//! Where every thread of some processes is, now, without stopping them.
//!
//! A thread that sleeps is read from user space, and believed only if it slept throughout. One that runs is sampled in
//! the kernel, where nothing moves under the walk; the probes for that are loaded only if some thread does run.

mod collect;
mod context;
mod model;
mod names;
mod sampler;
mod seen;
mod text;

pub use model::{Dump, DumpedThread, State, Status};
pub use text::render;

use crate::attach;
use crate::event::Pid;
use crate::process;
use crate::roots::Root;
use collect::ThreadReader;

/// What was found. Dropping it detaches the probes, which may take a while: show it first.
pub struct Dumped {
    /// What is to be shown.
    pub dump: Dump,
    /// Why threads that run could not be sampled.
    pub not_sampled: Option<attach::Error>,
    _sampler: Option<sampler::Sampler>,
}

/// Reads all threads of some processes, at most `depth` frames of each; which processes are gone.
///
/// # Errors
/// When one of the processes cannot be traced, or none is left.
pub fn dump(
    pids: &[Pid],
    depth: u32,
    gone: &mut dyn FnMut(&process::Error),
) -> Result<Dumped, process::Error> {
    let roots = Root::open_all(pids, gone)?;
    let mut collection = ThreadReader::new(&roots, depth);
    collection.collect()?;
    let (sampler, not_sampled) = match collection.sample() {
        Ok(sampler) => (sampler, None),
        Err(error) => (None, Some(error)),
    };
    collection.guess();
    Ok(Dumped { dump: collection.finish(), not_sampled, _sampler: sampler })
}
