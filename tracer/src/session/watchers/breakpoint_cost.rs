//! What breakpoints cost the target.

use tracer_common::counters::Probe;

use crate::event::{Nanos, Pid};
use crate::process::Process;
use crate::session::budget::Second;

/// Kernels that return from a breakpoint at a return by a system call of its own, which filters of system calls see: until
/// 6.14 these may kill the process for it.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/kernel/uprobes.c> (`arch_uretprobe_trampoline`),
/// <https://github.com/torvalds/linux/blob/v6.14/kernel/seccomp.c> (`seccomp_uprobe_exception`)
const RETURN_BY_SYSCALL: [&str; 3] = ["6.11", "6.12", "6.13"];

/// The kernel's release, if a breakpoint at a return could kill this process.
pub fn may_kill(pid: Pid) -> Option<String> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let is_filtered =
        || Process::open(pid).ok().and_then(|process| process.status_number("Seccomp")) != Some(0);
    (returns_by_syscall(&release) && is_filtered()).then_some(release)
}

fn returns_by_syscall(release: &str) -> bool {
    // `6.12.41-generic` is one of `6.12`, and `6.120` is none.
    let is_of = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_digit());
    RETURN_BY_SYSCALL.iter().any(|series| release.strip_prefix(series).is_some_and(is_of))
}

/// A second or so, in which breakpoints may have been hit, and what they may cost.
pub struct BreakpointCost<'a> {
    /// That second.
    pub second: &'a Second,
    /// What tracing may cost, as a share of what the target ran.
    pub limit: Option<f64>,
    /// So many times the limit is tolerated.
    pub times: f64,
    /// How much of the current second has passed, if it is not over.
    pub part_ns: Option<Nanos>,
}

impl BreakpointCost<'_> {
    /// Why these breakpoints were hit too often, if each hit costs this and they were.
    #[must_use]
    pub fn too_many(&self, probes: &[Probe], trap_ns: Nanos) -> Option<String> {
        let share = (self.second.hits(probes) * trap_ns) as f64 / self.second.target_time();
        let limit = self.limit.filter(|limit| share > self.times * limit)?;
        let (share, limit) = (share * 100.0, limit * 100.0);
        Some(format!("the breakpoints took {share:.0}% of the target's time, over the budget of {limit:.0}%"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::budget::BudgetWork;

    #[test]
    fn kernels_that_return_by_a_system_call_are_known_by_their_release() {
        for (release, expected) in [
            ("6.10.3", false),
            ("6.11.0-rc1", true),
            ("6.12-generic", true),
            ("6.13.9", true),
            ("6.14.0", false),
            ("6.120.1", false),
        ] {
            assert_eq!(returns_by_syscall(release), expected, "{release}");
        }
    }

    #[test]
    fn a_share_of_what_the_target_runs_is_too_much() {
        let work = |probe, hits| BudgetWork { probe, hits, runs: 0, run_ns: 0 };
        let second = |hits, target_ns| Second {
            at_ns: 0,
            wall_ns: 1_000_000_000,
            probes: vec![work(Probe::Handler, hits), work(Probe::GcEnd, 1_000_000)],
            target_ns,
        };
        let busy = second(100_000, 500_000_000);
        let cost = BreakpointCost { second: &busy, limit: Some(0.15), times: 1.0, part_ns: None };
        let too_many = |cost: &BreakpointCost<'_>, trap_ns| cost.too_many(&[Probe::Handler], trap_ns);
        let why = "the breakpoints took 20% of the target's time, over the budget of 15%";
        assert_eq!(too_many(&cost, 1_000).as_deref(), Some(why), "those of others do not count");
        assert_eq!(too_many(&cost, 500), None);
        assert_eq!(too_many(&BreakpointCost { times: 2.0, ..cost }, 1_000), None);
        assert_eq!(too_many(&BreakpointCost { limit: None, ..cost }, 1_000_000), None);
        let idle = BreakpointCost { second: &second(10_000, 0), ..cost };
        assert_eq!(too_many(&idle, 1_000), None, "a target that hardly runs cannot be slowed");
    }
}
