//! Watchers: what they see costs the target something, or is found only by looking; each decides in which processes it is
//! worth that.

mod breakpoint_cost;
mod collections;
mod counted;
mod handlers;
mod senders;
mod tasks;

pub use breakpoint_cost::BreakpointCost;
pub use collections::{CollectionWatcher, Passed};
pub use handlers::HandlerWatcher;
pub use senders::SenderWatcher;
pub use tasks::TaskWatcher;

use super::roots::Root;
use crate::attach::{Error, Loops, Probes};
use crate::sections::Section;

/// All of them, as far as their sections are asked for.
pub struct Watchers {
    /// Of signal handlers.
    pub handlers: Option<HandlerWatcher>,
    /// Of those who may send signals.
    pub senders: Option<SenderWatcher>,
    /// Of garbage collections.
    pub collectors: Option<CollectionWatcher>,
    /// Of what event loops run.
    pub tasks: Option<TaskWatcher>,
}

impl Watchers {
    /// Takes their maps and programs over.
    ///
    /// # Errors
    /// When they have been taken already.
    pub fn new(probes: &mut Probes, roots: &[Root]) -> Result<Self, Error> {
        let sections = probes.plan().sections;
        let (signals, pauses) = (sections.has(Section::Signals), sections.has(Section::Gc));
        // Turns are seen at the returns of system calls.
        let turns = sections.has(Section::Reads);
        Ok(Self {
            handlers: signals.then(|| HandlerWatcher::new(probes)).transpose()?,
            senders: signals.then(|| SenderWatcher::new(probes, roots)).transpose()?,
            collectors: pauses.then(|| CollectionWatcher::new(probes)).transpose()?,
            tasks: turns.then(|| Loops::new(probes)).transpose()?.map(TaskWatcher::new),
        })
    }
}
