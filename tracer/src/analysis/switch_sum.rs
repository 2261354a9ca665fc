//! What switches add up to: how many, and how long.

use tracer_common::switch::{SwitchValue, flag};

use super::sums::share;
use crate::event::{Nanos, SwitchRow};

/// Rows that hold time only: the thread had been off its CPU before, had never run, or was still running.
const NO_SWITCH: u32 = flag::BEGAN_BEFORE | flag::BORN | flag::RUNNING;

/// What one row adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwitchSum {
    /// Switch-outs within the window.
    pub count: u64,
    /// Nanoseconds from switch-out to switch-in, run-queue wait included.
    pub off_cpu_ns: Nanos,
    /// Of these, runnable.
    pub run_queue_ns: Nanos,
    /// Nanoseconds on the CPU before the switch-outs.
    pub on_cpu_ns: Nanos,
    /// Gaps that had begun before the window.
    pub began_before: u64,
    /// Gaps that had not ended with the window.
    pub still_blocked: u64,
    /// Acquisitions of the GIL that slept.
    pub gil_waits: u64,
    /// Of `count`, those whose callers were not read.
    pub estimated: u64,
    /// Of that: the square of its standard deviation.
    pub variance: u64,
}

impl SwitchSum {
    /// One row of the kernel's more.
    pub fn add(&mut self, flags: u32, value: &SwitchValue, still_blocked: u64) {
        *self = self.plus(&Self {
            count: counted(flags, value),
            off_cpu_ns: value.off_cpu_ns,
            run_queue_ns: value.run_queue_ns,
            on_cpu_ns: value.on_cpu_ns,
            began_before: value.began_before,
            still_blocked,
            gil_waits: value.gil_waits,
            ..Self::default()
        });
    }

    /// What is counted and measured.
    pub const FIGURES: [fn(&mut Self) -> &mut u64; 7] = [
        |sum| &mut sum.count,
        |sum| &mut sum.off_cpu_ns,
        |sum| &mut sum.run_queue_ns,
        |sum| &mut sum.on_cpu_ns,
        |sum| &mut sum.began_before,
        |sum| &mut sum.still_blocked,
        |sum| &mut sum.gil_waits,
    ];

    /// So many that are alike.
    pub fn times(mut self, factor: u64) -> Self {
        for figure in Self::FIGURES {
            let figure = figure(&mut self);
            *figure = figure.saturating_mul(factor);
        }
        self
    }

    /// Whether there is nothing to report.
    pub fn is_empty(mut self) -> bool {
        Self::FIGURES.iter().all(|figure| *figure(&mut self) == 0)
    }

    /// Of two rows, each of which has readings of its own.
    pub fn plus(self, other: &Self) -> Self {
        Self {
            count: self.count + other.count,
            off_cpu_ns: self.off_cpu_ns + other.off_cpu_ns,
            run_queue_ns: self.run_queue_ns + other.run_queue_ns,
            on_cpu_ns: self.on_cpu_ns + other.on_cpu_ns,
            began_before: self.began_before + other.began_before,
            still_blocked: self.still_blocked + other.still_blocked,
            gil_waits: self.gil_waits + other.gil_waits,
            estimated: self.estimated + other.estimated,
            variance: self.variance.saturating_add(other.variance),
        }
    }

    /// Whether no switch was counted, nor any time off the CPU.
    pub fn is_on_cpu_only(&self) -> bool {
        Self { on_cpu_ns: 0, ..*self }.is_empty()
    }

    /// One standard deviation of `count`, rounded up; `None` where all callers were read.
    pub fn error(&self) -> Option<u64> {
        (self.estimated > 0).then(|| (self.variance as f64).sqrt().ceil() as u64)
    }

    /// What a row is worth: its share of all switches plus its share of all off-CPU time. By one of them alone, a hung
    /// thread (no switch) or a read in a tight loop (little time) would come last.
    pub fn share(&self, all: &Self) -> u128 {
        share(self.count, all.count) + share(self.off_cpu_ns, all.off_cpu_ns)
    }
}

/// Whether the kernel counted these switches in `nvcsw`.
pub fn is_voluntary(key: &SwitchRow) -> bool {
    key.flags & flag::VOLUNTARY != 0
}

/// The switches of a drained row: none where the row holds time only.
pub fn counted(flags: u32, value: &SwitchValue) -> u64 {
    if flags & NO_SWITCH == 0 { value.count } else { 0 }
}
