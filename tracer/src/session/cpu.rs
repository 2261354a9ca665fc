//! CPU time of all traced processes together: it never becomes less, also where children that end are not waited for.

use std::collections::HashMap;

use crate::event::{Event, Exit, Nanos, Pid};

/// What has been used so far.
#[derive(Debug, Default)]
pub struct CpuTime {
    processes: HashMap<Pid, Used>,
    /// By processes that the kernel has let go of.
    gone: Nanos,
}

/// What one process has used.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    /// As `/proc` had it last, in hundredths of a second.
    seen: Nanos,
    /// By its threads that have ended in the window.
    ended_threads: Nanos,
    ended: bool,
}

impl Used {
    /// Of one that has ended, at least.
    fn total(self) -> Nanos {
        if self.ended { self.seen.max(self.ended_threads) } else { self.seen }
    }
}

impl CpuTime {
    /// Takes the ends of threads and processes.
    pub fn fold(&mut self, event: &Event) {
        match event {
            Event::Exit(Exit { task, cpu, last_thread, .. }) => {
                let used = self.processes.entry(task.pid).or_default();
                used.ended_threads += cpu;
                used.ended |= last_thread;
            }
            Event::Free { pid, .. } => self.gone += self.processes.remove(pid).map_or(0, Used::total),
            _ => {}
        }
    }

    /// Of these processes and those that have ended; `read` is what `/proc` says of a process.
    pub fn total(&mut self, living: impl Iterator<Item = Pid>, read: impl Fn(Pid) -> Option<Nanos>) -> Nanos {
        for pid in living {
            let used = self.processes.entry(pid).or_default();
            if !used.ended {
                used.seen = used.seen.max(read(pid).unwrap_or(0));
            }
        }
        self.gone + self.processes.values().map(|used| used.total()).sum::<Nanos>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples::exit;

    fn ends(pid: Pid, cpu: Nanos) -> Event {
        let Event::Exit(ended) = exit(1, pid, 7, 0) else { unreachable!() };
        Event::Exit(Exit { cpu, ..ended })
    }

    #[test]
    fn what_children_used_counts_though_nobody_waits_for_them() {
        let mut cpu = CpuTime::default();
        let read = |pid| (pid == 7).then_some(100);
        assert_eq!(cpu.total([7].into_iter(), read), 100);
        for child in 8..18 {
            cpu.fold(&ends(child, 50));
            assert_eq!(cpu.total([7, child].into_iter(), read), 100 + 50 * u64::from(child - 7), "ended");
            cpu.fold(&Event::Free { at: 2, pid: child });
            assert_eq!(cpu.total([7].into_iter(), read), 100 + 50 * u64::from(child - 7), "gone");
        }
        assert_eq!(cpu.processes.len(), 1);
    }

    #[test]
    fn what_a_process_used_before_the_window_is_not_lost_at_its_end() {
        let mut cpu = CpuTime::default();
        assert_eq!(cpu.total([8].into_iter(), |_| Some(900)), 900);
        cpu.fold(&ends(8, 20));
        assert_eq!(cpu.total([8].into_iter(), |_| None), 900);
    }
}
