//! Which stacks the probes have sent: each is sent once, unless they forget that.

use std::collections::HashSet;

use aya::maps::{Array, MapData};

use crate::attach::by_name::take;
use crate::attach::error::Error;
use crate::attach::probes::Probes;
use crate::event::StackId;

/// Ids of stacks.
pub struct SentStacks {
    stacks: Array<MapData, u64>,
}

impl SentStacks {
    /// Takes the map over.
    ///
    /// # Errors
    /// When it has been taken already.
    pub fn new(probes: &mut Probes) -> Result<Self, Error> {
        Ok(Self { stacks: take(&mut probes.ebpf, "SEEN_STACKS", Array::try_from)? })
    }

    /// Each is sent again when it is seen next. The others that the probes still have are those where threads sleep.
    ///
    /// # Errors
    /// When the kernel refuses the write.
    pub fn forget(&mut self, probes: &Probes) -> Result<HashSet<StackId>, Error> {
        for slot in 0..self.stacks.len() {
            let forgotten = self.stacks.set(slot, 0, 0);
            forgotten.map_err(|error| Error::new("have stacks sent again", &error))?;
        }
        Ok(probes.threads.iter().flatten().map(|(_, thread)| StackId(thread.key.stack)).collect())
    }
}
