//! What became of every hit.

use aya::maps::{MapData, PerCpuArray};
use tracer_common::counters::{Counters, Probe};

use crate::attach::by_name::take;
use crate::attach::error::Error;
use crate::attach::probes::Probes;
use crate::sys::batch;

/// The probes' counters.
pub struct Ledger {
    counters: PerCpuArray<MapData, Counters>,
}

impl Ledger {
    /// Takes the map over.
    ///
    /// # Errors
    /// When it has been taken already.
    pub fn new(probes: &mut Probes) -> Result<Self, Error> {
        Ok(Self { counters: take(&mut probes.ebpf, "COUNTERS", PerCpuArray::try_from)? })
    }

    /// Each probe, CPUs added up.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn by_probe(&self) -> Result<Vec<(Probe, Counters)>, Error> {
        let rows = batch::per_cpu(&self.counters, Probe::ALL.len());
        let rows = rows.map_err(|error| Error::system("read the probes' counters", &error))?;
        let sum = |cpus: Vec<Counters>| cpus.iter().fold(Counters::default(), add);
        Ok(Probe::ALL.into_iter().zip(rows.into_iter().map(sum)).collect())
    }
}

/// One probe of all.
#[must_use]
pub fn of_probe(by_probe: &[(Probe, Counters)], probe: Probe) -> Counters {
    by_probe
        .iter()
        .find(|(other, _)| *other == probe)
        .map_or_else(Counters::default, |(_, counters)| *counters)
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
    for (sum, part) in [(&mut sum.turns, &counters.turns), (&mut sum.reads, &counters.reads)] {
        sum.hits += part.hits;
        sum.lost_ring_full += part.lost_ring_full;
        sum.lost_map_full += part.lost_map_full;
        sum.lost_map_busy += part.lost_map_busy;
    }
    sum.time.filtered_ns += counters.time.filtered_ns;
    sum.time.own_ns += counters.time.own_ns;
    sum
}
