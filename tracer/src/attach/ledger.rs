//! What became of every hit, read from the kernel at the end.

use aya::maps::{MapData, PerCpuArray};
use tracer_common::counters::{Counters, Probe};

use super::error::Error;
use super::probes::{Probes, take};

/// The probes' counters.
pub struct Ledger {
    counters: PerCpuArray<MapData, Counters>,
}

impl Ledger {
    /// Takes the map over.
    ///
    /// # Errors
    /// When it has been taken already.
    pub fn of(probes: &mut Probes) -> Result<Self, Error> {
        Ok(Self { counters: take(&mut probes.ebpf, "COUNTERS", PerCpuArray::try_from)? })
    }

    /// Each probe, CPUs added up.
    #[must_use]
    pub fn by_probe(&self) -> Vec<(Probe, Counters)> {
        Probe::ALL.iter().map(|&probe| (probe, self.of_probe(probe))).collect()
    }

    /// One probe, CPUs added up.
    #[must_use]
    pub fn of_probe(&self, probe: Probe) -> Counters {
        let values = self.counters.get(&(probe as u32), 0);
        values.iter().flat_map(|values| values.iter()).fold(Counters::default(), add)
    }
}

/// All probes added up.
#[must_use]
pub fn total(by_probe: &[(Probe, Counters)]) -> Counters {
    by_probe.iter().map(|(_, counters)| counters).fold(Counters::default(), add)
}

fn add(mut sum: Counters, counters: &Counters) -> Counters {
    sum.hits += counters.hits;
    sum.filtered += counters.filtered;
    sum.emitted += counters.emitted;
    sum.aggregated += counters.aggregated;
    sum.lost_ring_full += counters.lost_ring_full;
    sum.lost_map_full += counters.lost_map_full;
    sum.lost_map_busy += counters.lost_map_busy;
    sum.records_tried += counters.records_tried;
    sum.records_lost += counters.records_lost;
    sum.time.filtered_ns += counters.time.filtered_ns;
    sum.time.own_ns += counters.time.own_ns;
    sum
}
