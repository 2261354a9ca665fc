//! Stacks of threads that run, walked in the kernel.

use std::collections::HashMap;

use aya::maps::{MapData, RingBuf};

use super::names::DumpNames;
use crate::attach::{Aggregates, Error, Plan, Probes};
use crate::clock::monotonic_ns;
use crate::event::{Event, StackId, StackStatus, Task};
use crate::roots::Root;
use crate::sections::{Section, Sections};

/// Ticks of each CPU's clock a second: a thread that runs is seen within two milliseconds.
const RATE_HZ: u32 = 1000;
/// Room for the deepest stacks, with names, of more threads than there are CPUs.
const RING_BYTES: u32 = 4 << 20;

/// Probes that sample. Dropping it detaches them.
pub struct Sampler {
    probes: Probes,
    aggregates: Aggregates,
    ring: RingBuf<MapData>,
}

/// Where a thread was at a tick.
#[derive(Clone, Copy, Debug)]
pub struct DumpSample {
    /// Which stack.
    pub stack: StackId,
    /// Why it is as it is, and whether it was cut.
    pub status: (StackStatus, bool),
}

impl Sampler {
    /// Begins to sample.
    ///
    /// # Errors
    /// When the kernel does not take the probes.
    pub fn start(roots: &[Root], depth: u32) -> Result<Self, Error> {
        let sections = Sections::only(&[Section::Frames]);
        let plan = Plan {
            sections,
            depth,
            rate_hz: RATE_HZ,
            ring_bytes: RING_BYTES,
            only_samples: true,
            ..Plan::default()
        };
        let mut probes = Probes::load(plan)?;
        let (aggregates, ring) = (Aggregates::new(&mut probes)?, probes.events()?);
        probes.attach()?;
        for root in roots {
            probes.trace(root.process.pid, &root.target(false))?;
        }
        probes.start(monotonic_ns())?;
        Ok(Self { probes, aggregates, ring })
    }

    /// What has been sampled since the last time, one stack a thread: the one most often seen.
    ///
    /// # Errors
    /// When the kernel refuses to switch epochs.
    pub fn take(&mut self, names: &mut DumpNames) -> Result<HashMap<Task, DumpSample>, Error> {
        let mut events = Vec::new();
        self.aggregates.drain(&mut self.probes, &mut events)?;
        while let Some(message) = self.ring.next() {
            names.message(&self.probes.shown(&message)?);
        }
        self.probes.show_rows(&mut events)?;
        let mut best: HashMap<Task, (u64, DumpSample)> = HashMap::new();
        for event in events {
            let Event::Samples { key, count, .. } = event else { continue };
            let sample = DumpSample { stack: key.stack, status: (key.status, key.truncated) };
            let entry = best.entry(key.task).or_insert((0, sample));
            if count > entry.0 {
                *entry = (count, sample);
            }
        }
        Ok(best.into_iter().map(|(task, (_, sample))| (task, sample)).collect())
    }
}
