//! What breakpoints cost the target.

use std::time::{Duration, Instant};

use crate::event::{Nanos, Pid};
use crate::process::Process;

/// A target that hardly runs cannot be slowed: its share is taken of this much of the time at least.
const LEAST_SHARE: f64 = 0.1;

/// Most children do not live that long, and breakpoints in each would cost more than they tell.
pub const YOUNG: Duration = Duration::from_millis(20);
/// While others are removed one after the other, to set one takes a tenth of a second, in which nothing else is done.
const GROWN: Duration = Duration::from_secs(1);
/// How long breakpoints are set at a time.
const AT_ONCE: Duration = Duration::from_millis(300);

/// Of processes that were seen first at such a time, those that get breakpoints now: one at a time while others are
/// removed.
pub fn due<T>(new: impl Iterator<Item = (T, Instant)>, is_removing: bool) -> Vec<T> {
    let (age, most) = if is_removing { (GROWN, 1) } else { (YOUNG, usize::MAX) };
    new.filter(|(_, since)| since.elapsed() >= age).map(|(process, _)| process).take(most).collect()
}

/// As many of these as there is time for: among a hundred processes that fork without pause the kernel takes half a second to
/// set one, in which nothing else is done. The others come at the next look.
pub fn in_time<T>(due: Vec<T>) -> impl Iterator<Item = T> {
    let began = Instant::now();
    due.into_iter().take_while(move |_| began.elapsed() < AT_ONCE)
}

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

/// How many breakpoints were hit in a second or so, beside what the target ran.
#[derive(Clone, Copy, Debug)]
pub struct BreakpointCost {
    /// Breakpoints that were hit.
    pub hits: u64,
    /// Its length.
    pub wall_ns: Nanos,
    /// What the target ran.
    pub target_ns: Nanos,
    /// What tracing may cost, as a share of that.
    pub limit: Option<f64>,
    /// So many times the limit is tolerated.
    pub times: f64,
}

impl BreakpointCost {
    /// Why that is too much, if each costs this and it is.
    #[must_use]
    pub fn too_many(&self, trap_ns: Nanos) -> Option<String> {
        let target_ns = (self.target_ns as f64).max(self.wall_ns as f64 * LEAST_SHARE);
        let share = (self.hits * trap_ns) as f64 / target_ns;
        let limit = self.limit.filter(|limit| share > self.times * limit)?;
        let (share, limit) = (share * 100.0, limit * 100.0);
        Some(format!("the breakpoints took {share:.0}% of the target's time, over the budget of {limit:.0}%"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn removals_keep_the_young_ones_waiting() {
        let ago = |ms| Instant::now().checked_sub(Duration::from_millis(ms)).unwrap();
        let new = || [(1, ago(0)), (2, ago(500)), (3, ago(1_500)), (4, ago(2_000))].into_iter();
        assert_eq!(due(new(), false), [2, 3, 4]);
        assert_eq!(due(new(), true), [3]);
    }

    #[test]
    fn a_share_of_what_the_target_runs_is_too_much() {
        let cost = BreakpointCost {
            hits: 100_000,
            wall_ns: 1_000_000_000,
            target_ns: 500_000_000,
            limit: Some(0.15),
            times: 1.0,
        };
        let why = "the breakpoints took 20% of the target's time, over the budget of 15%";
        assert_eq!(cost.too_many(1_000).as_deref(), Some(why));
        assert_eq!(cost.too_many(500), None);
        assert_eq!(BreakpointCost { times: 2.0, ..cost }.too_many(1_000), None);
        assert_eq!(BreakpointCost { limit: None, ..cost }.too_many(1_000_000), None);
        let idle = BreakpointCost { hits: 10_000, target_ns: 0, ..cost };
        assert_eq!(idle.too_many(1_000), None, "a target that hardly runs cannot be slowed");
    }
}
