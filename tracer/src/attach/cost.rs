//! What the probes cost: their run time and their maps' memory, as the kernel counts them.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use aya::maps::MapInfo;
use aya::programs::ProgramInfo;
use aya::sys::{Stats, enable_stats};

use super::probes::Probes;

/// Makes the kernel count run time as long as it lives: about 30 ns a run, of every BPF program on the machine.
pub struct RunTime {
    _counting: Option<OwnedFd>,
}

impl RunTime {
    /// Starts counting. Where the kernel refuses, run times are not known.
    #[must_use]
    pub fn count() -> Self {
        Self { _counting: enable_stats(Stats::RunTime).ok() }
    }
}

/// What one probe cost since it was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramCost {
    /// The program's name.
    pub name: String,
    /// How often it ran, while that was counted.
    pub runs: u64,
    /// For how long.
    pub run_ns: u64,
}

/// What all loaded probes cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Each of them, the costliest first.
    pub programs: Vec<ProgramCost>,
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
        for (name, program) in probes.ebpf.programs() {
            let Ok(info) = program.info() else { continue }; // not loaded: not needed
            cost.programs.push(ProgramCost::of(name, &info));
            cost.missed += info.fd().ok().and_then(|fd| fdinfo(&fd, "recursion_misses")).unwrap_or(0);
            maps.extend(info.map_ids().ok().flatten().unwrap_or_default());
        }
        cost.programs.sort_by_key(|program| std::cmp::Reverse(program.run_ns));
        cost.map_bytes = maps.into_iter().map(map_bytes).sum();
        cost
    }

    /// Run time of all probes; `None` where the kernel did not count it.
    #[must_use]
    pub fn run_ns(&self) -> Option<u64> {
        let counted = self.programs.iter().any(|program| program.runs > 0);
        counted.then(|| self.programs.iter().map(|program| program.run_ns).sum())
    }
}

impl ProgramCost {
    /// Of all loaded probes, as it stands now.
    #[must_use]
    pub fn of_all(probes: &Probes) -> Vec<Self> {
        let programs = probes.ebpf.programs();
        programs.filter_map(|(name, program)| Some(Self::of(name, &program.info().ok()?))).collect()
    }

    fn of(name: &str, info: &ProgramInfo) -> Self {
        let run_ns = u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX);
        Self { name: name.to_owned(), runs: info.run_count(), run_ns }
    }

    /// What each has cost since it had cost that much.
    #[must_use]
    pub fn since(now: &[Self], before: &[Self]) -> Vec<Self> {
        let difference = |now: &Self| {
            let (runs, run_ns) = before
                .iter()
                .find(|before| before.name == now.name)
                .map_or((0, 0), |before| (before.runs, before.run_ns));
            Self { name: now.name.clone(), runs: now.runs - runs, run_ns: now.run_ns - run_ns }
        };
        now.iter().map(difference).collect()
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
