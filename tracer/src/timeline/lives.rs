//! Which process a pid means: the kernel gives pids away again, also before it has let go of the process before.
//!
//! ```text
//!  kernel     Fork(8) ── Exit(8) ── reaped ── Fork(8) ─────────── Reaped(8) ── Free(8)     two processes
//!  timeline   Fork(8) ── Exit(8) ── Free(8) ─ Fork(8) ── Reaped(8) of the one before
//! ```
//! In the stream that all others see, a pid is one process from its birth to its `Free`, and no birth comes before that. So
//! they key by pid what ends with `Free`, and what is noticed now and then by the number of the life.

use std::collections::HashMap;

use crate::event::{Event, Exit, Fork, Pid};

/// A process in all of the run, whatever its pid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LifeId(u64);

/// The traced processes that were born in the window, and of which the kernel has not let go.
#[derive(Debug, Default)]
pub struct Lives {
    current: HashMap<Pid, Life>,
    births: u64,
}

/// A process.
#[derive(Debug)]
struct Life {
    id: LifeId,
    ended: bool,
    reaped: bool,
    /// The process that had its pid before was reaped, which has not been reported.
    awaits_reaping: bool,
}

impl Lives {
    /// Which of the processes with this pid it is now.
    #[must_use]
    pub fn id(&self, pid: Pid) -> LifeId {
        self.current.get(&pid).map(|life| life.id).unwrap_or_default()
    }

    /// Takes a birth; returns what must be reported before it: the kernel has let go of another with this pid.
    pub fn begin(&mut self, fork: &Fork) -> Option<Event> {
        let (at, pid) = (fork.at, fork.child.pid);
        let before = self.current.remove(&pid);
        self.births += 1;
        let awaits_reaping = before.as_ref().is_some_and(|life| life.ended && !life.reaped);
        let life = Life { id: LifeId(self.births), ended: false, reaped: false, awaits_reaping };
        self.current.insert(pid, life);
        before.map(|_| Event::Free { at, pid })
    }

    /// Takes what ends a life.
    pub fn fold(&mut self, event: &mut Event) {
        match event {
            Event::Exit(Exit { task, last_thread: true, .. }) => {
                self.change(task.pid, |life| life.ended = true)
            }
            Event::Reaped { child, of_earlier, .. } => self.change(*child, |life| {
                *of_earlier = !life.ended && std::mem::take(&mut life.awaits_reaping);
                life.reaped |= !*of_earlier;
            }),
            Event::Free { pid, .. } => _ = self.current.remove(pid),
            _ => {}
        }
    }

    fn change(&mut self, pid: Pid, change: impl FnOnce(&mut Life)) {
        self.current.get_mut(&pid).map(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples::{exit, fork, task};
    use crate::event::Nanos;

    fn begin(lives: &mut Lives, at: Nanos) -> Option<Event> {
        let Event::Fork(fork) = fork(at, 7, 8, 0) else { unreachable!() };
        lives.begin(&fork)
    }

    fn reaped(at: Nanos) -> Event {
        Event::Reaped { at, by: task(7, 7), child: 8, of_earlier: false }
    }

    #[test]
    fn a_pid_that_comes_back_is_free_before_it_is_born() {
        let mut lives = Lives::default();
        assert_eq!(begin(&mut lives, 1), None);
        let first = lives.id(8);
        lives.fold(&mut exit(2, 8, 7, 0));
        assert_eq!(begin(&mut lives, 3), Some(Event::Free { at: 3, pid: 8 }));
        assert_ne!(lives.id(8), first);
        lives.fold(&mut Event::Free { at: 4, pid: 8 });
        assert_eq!(begin(&mut lives, 5), None, "it was free");
    }

    #[test]
    fn a_reaping_that_is_reported_late_is_of_the_earlier_process() {
        for (name, ends, expected) in [
            ("reported in time", vec![exit(2, 8, 7, 0), reaped(3)], [false, false]),
            ("reported after the next birth", vec![exit(2, 8, 7, 0)], [true, false]),
            ("its end was lost", vec![], [false, false]),
        ] {
            let mut lives = Lives::default();
            begin(&mut lives, 1);
            ends.into_iter().for_each(|mut event| lives.fold(&mut event));
            begin(&mut lives, 4);
            let of_earlier = [5, 6].map(|at| {
                let mut event = reaped(at);
                lives.fold(&mut event);
                matches!(event, Event::Reaped { of_earlier: true, .. })
            });
            assert_eq!(of_earlier, expected, "{name}");
        }
    }
}
