//! How every hit of every probe is accounted for.
//!
//! A hit ends in exactly one place by its primary record: `hits = filtered + emitted + aggregated + Σ lost`.
//! Names and stacks have a law of their own: `tried = sent + lost`, and user space decodes or rejects what was sent.

use crate::{pod, sized};

/// The probes. Those that put stacks or paths together come first: each has a scratch buffer of its own, so that
/// one may interrupt another.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
pub enum Probe {
    /// `sched_switch`
    Switch,
    /// cpu-clock samples
    Sample,
    /// `sys_exit`
    Syscall,
    /// `sched_process_fork`
    Fork,
    /// `signal_generate`
    SignalGenerate,
    /// `signal_deliver`
    SignalDeliver,
    /// The evaluation function's entry
    Entry,
    /// Where the arguments of signal handlers are put together
    Handler,
    /// The end of a garbage collection
    GcEnd,
    /// Entries and returns of the functions that look for signals
    Check,
    /// `sched_process_exit`
    Exit,
    /// `sched_waking`
    Waking,
    /// `sched_wakeup` and `sched_wakeup_new`
    Wakeup,
    /// `sched_process_exec`
    Exec,
    /// `sched_process_free`
    Free,
    /// `task_rename`
    Rename,
    /// The begin of a garbage collection
    GcBegin,
}

impl Probe {
    /// All probes, in the order of their numbers.
    pub const ALL: [Self; 17] = [
        Self::Switch,
        Self::Sample,
        Self::Syscall,
        Self::Fork,
        Self::SignalGenerate,
        Self::SignalDeliver,
        Self::Entry,
        Self::Handler,
        Self::GcEnd,
        Self::Check,
        Self::Exit,
        Self::Waking,
        Self::Wakeup,
        Self::Exec,
        Self::Free,
        Self::Rename,
        Self::GcBegin,
    ];

    /// The first so many have a scratch buffer.
    pub const WITH_SCRATCH: u32 = Self::Waking as u32 + 1;

    /// What it is called in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Switch => "sched_switch",
            Self::Sample => "sample",
            Self::Syscall => "sys_exit",
            Self::Fork => "sched_process_fork",
            Self::SignalGenerate => "signal_generate",
            Self::SignalDeliver => "signal_deliver",
            Self::Entry => "evaluation_entry",
            Self::Handler => "handler",
            Self::GcEnd => "gc_end",
            Self::Check => "check",
            Self::Waking => "sched_waking",
            Self::Wakeup => "sched_wakeup",
            Self::Exec => "sched_process_exec",
            Self::Exit => "sched_process_exit",
            Self::Free => "sched_process_free",
            Self::Rename => "task_rename",
            Self::GcBegin => "gc_begin",
        }
    }
}

/// What became of one probe's hits. One per probe in a per-CPU array.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
pub struct Counters {
    /// Runs of the program while the run switch was on.
    pub hits: u64,
    /// Nothing of ours.
    pub filtered: u64,
    /// Sent as one event.
    pub emitted: u64,
    /// Added to a row of a map.
    pub aggregated: u64,
    /// The ring buffer had no room.
    pub lost_ring_full: u64,
    /// A map had no room for a new row.
    pub lost_map_full: u64,
    /// A map's bucket was locked by the program that this one interrupted.
    pub lost_map_busy: u64,
    /// Stacks, code objects and file names that were to be sent.
    pub records_tried: u64,
    /// Of these, what the ring buffer had no room for.
    pub records_lost: u64,
    /// Of the hits of `sys_exit` those that are turns of event loops.
    pub turns: Part,
    /// Likewise reads, but for `hits`, which is not counted: rows know how many there were.
    pub reads: Part,
    /// What its runs take.
    pub time: RunTime,
}

/// What was lost of some of a probe's hits.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
pub struct Part {
    /// All of them.
    pub hits: u64,
    /// As in [`Counters`].
    pub lost_ring_full: u64,
    /// As in [`Counters`].
    pub lost_map_full: u64,
    /// As in [`Counters`].
    pub lost_map_busy: u64,
}

/// Run time of a probe, estimated from a few of its runs, each of which stands for those since the last.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
pub struct RunTime {
    /// Of the runs that found nothing of ours.
    pub filtered_ns: u64,
    /// Of all others.
    pub own_ns: u64,
    /// When the run began that is timed now; 0 when none is.
    pub began_ns: u64,
    /// The hit that is timed next.
    pub due: u64,
    /// Runs before it that it stands for.
    pub skipped: u64,
}

impl RunTime {
    /// One run of so many is timed, more or less.
    pub const ONE_OF: u64 = 16;

    /// A run that took longer stands for others by this much: it was interrupted, or the host took the CPU away.
    const LIKE_OTHERS_NS: u64 = 1 << 16;

    /// Takes down the run that is timed, and chooses the next one, by a random number: the runs of a loop take turns.
    #[inline(always)]
    pub fn stop(&mut self, end: RunEnd, random: u32) {
        let took = end.now_ns.saturating_sub(self.began_ns).saturating_sub(end.clock_ns);
        let ns = took + self.skipped * took.min(Self::LIKE_OTHERS_NS);
        if end.filtered {
            self.filtered_ns += ns;
        } else {
            self.own_ns += ns;
        }
        self.began_ns = 0;
        self.skipped = u64::from(random) % (2 * Self::ONE_OF - 1);
        self.due = end.hits + self.skipped + 1;
    }
}

/// How a run ended.
pub struct RunEnd {
    /// When.
    pub now_ns: u64,
    /// What it takes to read the clock: longer than many a run.
    pub clock_ns: u64,
    /// Which hit it was.
    pub hits: u64,
    /// It found nothing of ours.
    pub filtered: bool,
}

impl Counters {
    /// Hits for a target. One that goes on while they are read may be in `hits` and not yet in the other.
    #[must_use]
    pub const fn not_filtered(&self) -> u64 {
        self.hits.saturating_sub(self.filtered)
    }

    /// Hits that were lost, for whatever reason.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost_ring_full + self.lost_map_full + self.lost_map_busy
    }
}

sized!(Counters = 176, Part = 32);
pod!(Counters);

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs of a loop: every fourth takes 1000 ns, the others are filtered and take 10 ns.
    #[test]
    fn a_few_timed_runs_stand_for_all() {
        let mut time = RunTime::default();
        let (mut now, mut timed, mut random) = (1, 0, 1_u32);
        let hits = 1 << 20;
        for hit in 1..=hits {
            let is_timed = hit >= time.due;
            let filtered = hit % 4 != 0;
            let began = now;
            now += if filtered { 10 } else { 1000 };
            if is_timed {
                timed += 1;
                time.began_ns = began;
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                time.stop(RunEnd { now_ns: now + 40, clock_ns: 40, hits: hit, filtered }, random >> 8);
            }
        }
        let near = |ns: u64, truth: u64| ns.abs_diff(truth) < truth / 20;
        assert!(near(timed, hits / RunTime::ONE_OF), "{timed}");
        assert!(near(time.own_ns, hits / 4 * 1000), "{time:?}");
        assert!(near(time.filtered_ns, hits / 4 * 30), "{time:?}");
    }

    #[test]
    fn a_run_that_was_interrupted_stands_for_itself() {
        let mut time = RunTime { began_ns: 1, skipped: 15, ..RunTime::default() };
        time.stop(RunEnd { now_ns: 10_000_001, clock_ns: 0, hits: 16, filtered: false }, 3);
        assert_eq!(time.own_ns, 10_000_000 + 15 * RunTime::LIKE_OTHERS_NS);
    }

    #[test]
    fn the_only_run_is_timed() {
        let mut time = RunTime { began_ns: 5, ..RunTime::default() };
        time.stop(RunEnd { now_ns: 12, clock_ns: 2, hits: 1, filtered: false }, 77);
        assert_eq!((time.own_ns, time.filtered_ns, time.began_ns), (5, 0, 0));
        assert!(time.due > 1);
    }
}
