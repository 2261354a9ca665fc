//! How every hit of every probe is accounted for.
//!
//! A hit ends in exactly one place by its primary record: `hits = filtered + emitted + aggregated + Σ lost`.
//! Names and stacks have a law of their own: `tried = sent + lost`, and user space decodes or rejects what was sent.

use crate::{pod, sized};

/// The probes. Those that put stacks or paths together come first: each has a scratch buffer of its own, so that
/// one may interrupt another.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Writes to the flags of signals
    Handler,
    /// The end of a garbage collection
    GcEnd,
    /// Entries and returns of the functions that look for signals
    Check,
    /// `sched_waking`
    Waking,
    /// `sched_wakeup` and `sched_wakeup_new`
    Wakeup,
    /// `sched_process_exec`
    Exec,
    /// `sched_process_exit`
    Exit,
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
        Self::Waking,
        Self::Wakeup,
        Self::Exec,
        Self::Exit,
        Self::Free,
        Self::Rename,
        Self::GcBegin,
    ];

    /// The first so many have a scratch buffer.
    pub const WITH_SCRATCH: u32 = Self::Waking as u32 + 1;
}

/// What became of one probe's hits. One per probe in a per-CPU array.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
}

impl Counters {
    /// Hits that were lost, for whatever reason.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost_ring_full + self.lost_map_full + self.lost_map_busy
    }
}

sized!(Counters = 72);
pod!(Counters);
