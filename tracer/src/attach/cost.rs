//! What the probes cost: their run time and their maps' memory, as the kernel counts them.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use aya::maps::MapInfo;
use aya::sys::{Stats, enable_stats};

use super::probes::Probes;

/// Makes the kernel count run time as long as it lives: about 30 ns a run, of every BPF program on the machine.
pub struct RunTime {
    _counting: Option<OwnedFd>,
}

impl RunTime {
    /// Starts counting. Where the kernel refuses, run times stay 0.
    #[must_use]
    pub fn count() -> Self {
        Self { _counting: enable_stats(Stats::RunTime).ok() }
    }
}

/// Sums over all loaded probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Time that the probes ran, while it was counted.
    pub run_ns: u64,
    /// Runs that the kernel skipped because the same program was running on that CPU.
    pub missed: u64,
    /// Memory of the maps.
    pub map_bytes: u64,
}

impl Cost {
    /// As it stands now.
    #[must_use]
    pub fn of(probes: &Probes) -> Self {
        let mut cost = Self::default();
        let mut maps = BTreeSet::new();
        for (_, program) in probes.ebpf.programs() {
            let Ok(info) = program.info() else { continue }; // not loaded: not needed
            cost.run_ns += u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX);
            let fd = info.fd();
            cost.missed += fd.map_or(0, |fd| fdinfo(&fd, "recursion_misses"));
            maps.extend(info.map_ids().ok().flatten().unwrap_or_default());
        }
        cost.map_bytes = maps.into_iter().map(map_bytes).sum();
        cost
    }
}

fn map_bytes(id: u32) -> u64 {
    MapInfo::from_id(id).and_then(|info| info.fd()).map_or(0, |fd| fdinfo(&fd, "memlock"))
}

/// A number of `/proc/self/fdinfo`, 0 where it is not there: proc_pid_fdinfo(5).
fn fdinfo(fd: &impl AsFd, field: &str) -> u64 {
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}
