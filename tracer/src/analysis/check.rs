//! Our counts against the kernel's own, thread by thread.

use super::switch_sum::{counted, is_voluntary};
use crate::event::{Event, Fork, Task};
use crate::quick::QuickMap;

/// Threads whose switches are counted apart, as many as the probes know; those of others are left out on both sides.
const THREADS: usize = 16_384;

/// Context switches by the kernel's rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwitchCounts {
    /// In `nvcsw`.
    pub voluntary: u64,
    /// In `nivcsw`.
    pub involuntary: u64,
}

/// What we counted and what the kernel counted.
#[derive(Debug, Default)]
pub struct SwitchCheck {
    ours: QuickMap<Task, SwitchCounts>,
    kernel: QuickMap<Task, SwitchCounts>,
    /// What the kernel had counted before the window, of threads whose later counts have not come.
    before: QuickMap<Task, SwitchCounts>,
}

impl SwitchCheck {
    /// Counts the switches of threads, and takes the kernel's own counts.
    pub fn fold(&mut self, event: &Event) {
        match *event {
            Event::Switches { key, value, .. } => {
                self.add(key.task, is_voluntary(&key), counted(key.flags, &value));
            }
            Event::KernelSwitchesBefore { task, voluntary, involuntary } => {
                self.begin(task, SwitchCounts { voluntary, involuntary });
            }
            Event::Fork(Fork { child, .. }) => self.begin(child, SwitchCounts::default()),
            Event::KernelSwitches { task, voluntary, involuntary } => {
                self.count(task, SwitchCounts { voluntary, involuntary });
            }
            _ => {}
        }
    }

    /// The kernel's counts and ours of the same threads.
    pub fn finish(&self) -> (SwitchCounts, SwitchCounts) {
        let full = self.ours.len() >= THREADS;
        let checked = self.kernel.iter().filter(|(task, _)| !full || self.ours.contains_key(task));
        checked.fold(Default::default(), |(kernel, ours), (task, counts)| {
            (kernel + *counts, ours + self.ours.get(task).copied().unwrap_or_default())
        })
    }

    /// A thread is seen from here on.
    fn begin(&mut self, task: Task, counts: SwitchCounts) {
        if self.before.len() < THREADS {
            self.before.insert(task, counts);
        }
    }

    /// The kernel has counted so much in the life of a thread.
    fn count(&mut self, task: Task, counts: SwitchCounts) {
        // Of one that has joined in the middle it is not known what we ought to have seen.
        let Some(before) = self.before.remove(&task) else { return };
        if self.kernel.len() < THREADS || self.kernel.contains_key(&task) {
            let known = self.kernel.entry(task).or_default();
            known.voluntary += counts.voluntary.saturating_sub(before.voluntary);
            known.involuntary += counts.involuntary.saturating_sub(before.involuntary);
        }
    }

    fn add(&mut self, task: Task, voluntary: bool, count: u64) {
        if self.ours.len() >= THREADS && !self.ours.contains_key(&task) {
            return;
        }
        let counts = self.ours.entry(task).or_default();
        *if voluntary { &mut counts.voluntary } else { &mut counts.involuntary } += count;
    }
}

impl std::ops::Add for SwitchCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            voluntary: self.voluntary + other.voluntary,
            involuntary: self.involuntary + other.involuntary,
        }
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::switch::{SwitchValue, flag};

    use super::*;
    use crate::event::SwitchRow;

    fn task(tid: u32) -> Task {
        Task { pid: 1, tid }
    }

    fn ours(tid: u32, flags: u32, count: u64) -> Event {
        let key = SwitchRow { task: task(tid), flags, ..SwitchRow::default() };
        Event::Switches { key, value: SwitchValue { count, ..SwitchValue::default() }, still_blocked: 0 }
    }

    fn kernel(tid: u32, voluntary: u64, involuntary: u64) -> Event {
        Event::KernelSwitches { task: task(tid), voluntary, involuntary }
    }

    fn before(tid: u32, voluntary: u64) -> Event {
        Event::KernelSwitchesBefore { task: task(tid), voluntary, involuntary: 0 }
    }

    #[test]
    fn compares_the_threads_that_the_kernel_was_asked_about() {
        let counts = |voluntary, involuntary| SwitchCounts { voluntary, involuntary };
        for (name, events, expected) in [
            ("nothing", vec![], (counts(0, 0), counts(0, 0))),
            (
                "equal",
                vec![before(1, 40), ours(1, flag::VOLUNTARY, 3), ours(1, 0, 2), kernel(1, 43, 2)],
                (counts(3, 2), counts(3, 2)),
            ),
            (
                "another thread came later",
                vec![before(1, 0), ours(1, flag::VOLUNTARY, 3), ours(2, flag::VOLUNTARY, 9), kernel(1, 3, 0)],
                (counts(3, 0), counts(3, 0)),
            ),
            ("we saw none", vec![before(1, 5), kernel(1, 8, 0)], (counts(3, 0), counts(0, 0))),
            (
                "asleep before",
                vec![before(1, 5), ours(1, flag::VOLUNTARY | flag::BEGAN_BEFORE, 1), kernel(1, 5, 0)],
                (counts(0, 0), counts(0, 0)),
            ),
            ("joined in the middle", vec![ours(1, 0, 3), kernel(1, 9, 9)], (counts(0, 0), counts(0, 0))),
            (
                "two that had the same id, one after the other",
                vec![
                    before(1, 5),
                    kernel(1, 8, 0),
                    before(1, 0),
                    ours(1, flag::VOLUNTARY, 5),
                    kernel(1, 2, 0),
                ],
                (counts(5, 0), counts(5, 0)),
            ),
        ] {
            let mut check = SwitchCheck::default();
            events.iter().for_each(|event| check.fold(event));
            assert_eq!(check.finish(), expected, "{name}");
        }
    }

    #[test]
    fn threads_beyond_the_limit_are_left_out_on_both_sides() {
        let mut check = SwitchCheck::default();
        for tid in 0..THREADS as u32 + 10 {
            check.fold(&ours(tid, flag::VOLUNTARY, 1));
        }
        for tid in [1, THREADS as u32 + 5] {
            check.fold(&before(tid, 0));
            check.fold(&kernel(tid, 1, 0));
        }
        let one = SwitchCounts { voluntary: 1, involuntary: 0 };
        assert_eq!(check.finish(), (one, one));
    }
}
