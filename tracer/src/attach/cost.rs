//! What the probes take beside their time, as the kernel tells it.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd};

use aya::maps::MapInfo;

use super::probes::Probes;

/// What all loaded probes take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Runs that the kernel skipped because the same program was running on that CPU.
    pub missed: u64,
    /// Memory of the maps, where the kernel tells.
    pub map_bytes: Option<u64>,
}

impl Cost {
    /// As it stands now.
    #[must_use]
    pub fn of(probes: &Probes) -> Self {
        let mut cost = Self::default();
        let mut maps = BTreeSet::new();
        for (_, program) in probes.ebpf.programs() {
            let Ok(info) = program.info() else { continue }; // not loaded: not needed
            cost.missed += info.fd().ok().and_then(|fd| fdinfo(&fd, "recursion_misses")).unwrap_or(0);
            maps.extend(info.map_ids().ok().flatten().unwrap_or_default());
        }
        cost.map_bytes = maps.into_iter().map(map_bytes).sum();
        cost
    }
}

fn map_bytes(id: u32) -> Option<u64> {
    fdinfo(&MapInfo::from_id(id).and_then(|info| info.fd()).ok()?, "memlock")
}

/// A number of `/proc/self/fdinfo`: proc_pid_fdinfo(5).
fn fdinfo(fd: &impl AsFd, field: &str) -> Option<u64> {
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|number| number.trim().parse().ok())
}
