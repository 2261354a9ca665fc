//! Pythons that may send signals: the probe sends where they are when they do.

use std::collections::HashMap;

use aya::maps::MapData;
use tracer_common::target::Target;

use crate::attach::by_name::take;
use crate::attach::error::Error;
use crate::attach::probes::Probes;
use crate::event::Pid;

/// Processes that are known at most.
pub const MOST: usize = 64;

/// The map of them.
pub struct Senders {
    targets: aya::maps::HashMap<MapData, u32, Target>,
    /// The kernel's numbers of them.
    ids: HashMap<Pid, u32>,
}

impl Senders {
    /// Takes the map over.
    ///
    /// # Errors
    /// When it has been taken already.
    pub fn new(probes: &mut Probes) -> Result<Self, Error> {
        let targets = take(&mut probes.ebpf, "SENDERS", aya::maps::HashMap::try_from)?;
        Ok(Self { targets, ids: HashMap::new() })
    }

    /// Whether there is room for no more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.ids.len() >= MOST
    }

    /// How to walk a process's stacks.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn know(&mut self, probes: &mut Probes, pid: Pid, target: &Target) -> Result<(), Error> {
        let Some(id) = probes.kernel_id(pid)? else { return Ok(()) };
        self.ids.insert(pid, id);
        self.targets.insert(id, target, 0).map_err(|error| Error::new("follow a sender of signals", &error))
    }

    /// Forgets a process.
    pub fn forget(&mut self, pid: Pid) {
        if let Some(id) = self.ids.remove(&pid) {
            let _ = self.targets.remove(&id); // the probes have, if it has run another program
        }
    }
}
