//! Who begot whom among the traced processes, as far as `/proc` must be asked about it.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use crate::event::{Bytes, Event, Exit, Fork, Nanos, Pid, SignalGenerate, SignalInfo};

/// A traced process that was forked in the window.
#[derive(Clone, Debug)]
struct Child {
    parent: Pid,
    /// When it ended; it is a zombie since, unless it was let go.
    ended: Option<Nanos>,
}

/// The children of traced processes.
#[derive(Default)]
pub struct Children {
    children: HashMap<Pid, Child>,
    /// Children whose parent has ended, and that have not been given another yet.
    abandoned: Vec<(Pid, Pid)>,
}

/// What `/proc/PID/stat` says of a process.
pub struct Stat {
    /// Its parent.
    pub ppid: Pid,
    /// `R`, `S`, `Z` and so on.
    pub state: char,
    /// Its name.
    pub comm: Bytes,
}

impl Children {
    /// Takes what an event says.
    pub fn fold(&mut self, event: &Event) {
        match event {
            Event::Fork(fork) if fork.followed => self.fork(fork),
            Event::Exit(exit) if exit.last_thread => self.exit(exit),
            Event::ZombieAtStart { pid, ppid, .. } => {
                _ = self.children.insert(*pid, Child { parent: *ppid, ended: Some(0) });
            }
            Event::SignalGenerate(signal) if is_obituary(signal) => {
                let child = Child { parent: signal.target.pid, ended: Some(signal.at) };
                _ = self.children.entry(signal.current.pid).or_insert(child);
            }
            // Before the window's zombies it is not traced, and its end is not seen: the last look at `/proc` tells.
            Event::Free { pid, .. } | Event::Reaped { child: pid, .. } => _ = self.children.remove(pid),
            Event::Reparented { pid, new_ppid, .. } => {
                if let Some(child) = self.children.get_mut(pid) {
                    child.parent = *new_ppid;
                }
            }
            _ => {}
        }
    }

    fn fork(&mut self, fork: &Fork) {
        if fork.child.pid != fork.parent.pid {
            self.children.insert(fork.child.pid, Child { parent: fork.parent.pid, ended: None });
        }
    }

    fn exit(&mut self, exit: &Exit) {
        let orphans =
            self.children.iter().filter(|(_, child)| child.parent == exit.task.pid && child.ended.is_none());
        self.abandoned.extend(orphans.map(|(&pid, _)| (pid, exit.task.pid)));
        if let Some(child) = self.children.get_mut(&exit.task.pid) {
            child.ended = Some(exit.at);
        }
    }

    /// Asks who has taken over the children of parents that ended. Some are not taken over yet: asked again later.
    pub fn reparented(&mut self, now: Nanos, stat: impl Fn(Pid) -> Option<Stat>) -> Vec<Event> {
        let mut events = Vec::new();
        self.abandoned.retain(|&(pid, old_ppid)| {
            let Some(stat) = stat(pid) else { return false }; // it has ended too
            if stat.ppid == old_ppid {
                return true;
            }
            let comm = stat.comm;
            events.push(Event::Reparented { at: now, pid, comm, old_ppid, new_ppid: stat.ppid });
            false
        });
        events
    }

    /// Those that are zombies now.
    pub fn zombies(&self, stat: impl Fn(Pid) -> Option<Stat>) -> Vec<Pid> {
        let ended = self.children.iter().filter(|(_, child)| child.ended.is_some());
        let mut zombies: Vec<_> = ended
            .filter(|&(&pid, _)| stat(pid).is_some_and(|stat| matches!(stat.state, 'Z' | 'X')))
            .map(|(&pid, _)| pid)
            .collect();
        zombies.sort_unstable();
        zombies
    }

    /// How many have been zombies for so long.
    #[must_use]
    pub fn zombies_since(&self, now: Nanos, at_least: Nanos) -> usize {
        let ended = self.children.values().filter_map(|child| child.ended);
        ended.filter(|&ended| now.saturating_sub(ended) >= at_least).count()
    }
}

/// A child tells its parent that it has ended: also one that is not traced, whose exit is not seen.
fn is_obituary(signal: &SignalGenerate) -> bool {
    const SIGCHLD: u32 = 17;
    /// `CLD_EXITED`, `CLD_KILLED` and `CLD_DUMPED`: sigaction(2).
    const ENDED: RangeInclusive<i32> = 1..=3;
    let ended = matches!(signal.info, SignalInfo::Code { code, .. } if ENDED.contains(&code));
    signal.signal == SIGCHLD && ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Task;

    fn fork(parent: Pid, child: Pid) -> Event {
        Event::Fork(Fork {
            at: 0,
            parent: Task { pid: parent, tid: parent },
            comm: Bytes::from(*b"python"),
            child: Task { pid: child, tid: child },
            stack: 0,
            followed: true,
        })
    }

    fn exit(pid: Pid, parent: Pid) -> Event {
        let task = Task { pid, tid: pid };
        Event::Exit(Exit {
            at: 5,
            task,
            wait_status: 0,
            last_thread: true,
            parent,
            comm: Bytes::from(*b"python"),
        })
    }

    fn stat(ppid: Pid, state: char) -> Stat {
        Stat { ppid, state, comm: Bytes::from(*b"python") }
    }

    #[test]
    fn a_child_whose_parent_ends_is_asked_about_until_it_has_another() {
        let mut children = Children::default();
        for event in [fork(1, 2), fork(2, 3), exit(2, 1)] {
            children.fold(&event);
        }
        assert!(children.reparented(9, |_| Some(stat(2, 'S'))).is_empty());
        let events = children.reparented(9, |_| Some(stat(1, 'S')));
        assert!(matches!(events[..], [Event::Reparented { pid: 3, old_ppid: 2, new_ppid: 1, .. }]));
        assert!(children.reparented(9, |_| Some(stat(1, 'S'))).is_empty());
    }

    #[test]
    fn only_what_proc_calls_a_zombie_is_one() {
        let mut children = Children::default();
        for event in
            [fork(1, 2), fork(1, 3), fork(1, 4), exit(2, 1), exit(3, 1), Event::Free { at: 6, pid: 3 }]
        {
            children.fold(&event);
        }
        assert_eq!(children.zombies(|_| Some(stat(1, 'Z'))), [2]);
        assert!(children.zombies(|_| None).is_empty());
        assert_eq!((children.zombies_since(105, 100), children.zombies_since(104, 100)), (1, 0));
    }
}
