//! Parents and children among the traced processes, as far as only `/proc` shows them.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use crate::event::{Bytes, Event, Exit, Fork, Nanos, Pid, SignalGenerate, SignalInfo};

/// A traced process that was forked in the window.
#[derive(Clone, Debug)]
struct LiveChild {
    parent: Pid,
    /// When it ended; it is a zombie since, unless it was let go.
    ended: Option<Nanos>,
    /// That it is a zombie for long has been reported.
    reported: bool,
}

impl LiveChild {
    fn new(parent: Pid, ended: Option<Nanos>) -> Self {
        Self { parent, ended, reported: false }
    }
}

/// The children of traced processes.
#[derive(Default)]
pub struct Children {
    children: HashMap<Pid, LiveChild>,
    /// Children whose parent has ended, and that have not been given another yet.
    abandoned: Vec<Abandoned>,
}

/// A child whose parent has ended.
#[derive(Clone, Copy, Debug)]
struct Abandoned {
    pid: Pid,
    old_ppid: Pid,
    /// It was gone when it was asked about: its end, which names its parent, may still be on its way.
    gone: bool,
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
    /// Takes what an event says; returns what follows from it.
    pub fn fold(&mut self, event: &Event) -> Option<Event> {
        let adopted = self.adopted_before(event);
        self.take(event);
        adopted
    }

    /// One whose parent ended, and that ends before anybody has asked for its new one.
    fn adopted_before(&mut self, event: &Event) -> Option<Event> {
        let Event::Exit(Exit { at, task, parent, comm, last_thread: true, .. }) = event else { return None };
        let (pid, new_ppid) = (task.pid, *parent);
        let is_it = |child: &Abandoned| child.pid == pid && child.old_ppid != new_ppid;
        let index = self.abandoned.iter().position(is_it)?;
        let old_ppid = self.abandoned.swap_remove(index).old_ppid;
        Some(Event::Reparented { at: *at, pid, comm: comm.clone(), old_ppid, new_ppid })
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::Fork(fork) if fork.followed => self.fork(fork),
            Event::Exit(exit) if exit.last_thread => self.exit(exit),
            Event::ZombieAtStart { pid, ppid, .. } => {
                _ = self.children.insert(*pid, LiveChild::new(*ppid, Some(0)));
            }
            Event::ChildAtStart { pid, ppid } => _ = self.children.insert(*pid, LiveChild::new(*ppid, None)),
            Event::SignalGenerate(signal) if is_obituary(signal) => {
                let child = LiveChild::new(signal.target.pid, None);
                _ = self.children.entry(signal.current.pid).or_insert(child).ended.get_or_insert(signal.at);
            }
            // Before the window's zombies it is not traced, and its end is not seen: the last reading of `/proc` shows it.
            Event::Free { pid, .. } | Event::Reaped { child: pid, of_earlier: false, .. } => {
                _ = self.children.remove(pid)
            }
            Event::Reparented { pid, new_ppid, .. } => {
                if let Some(child) = self.children.get_mut(pid) {
                    child.parent = *new_ppid;
                }
            }
            _ => {}
        }
    }

    fn fork(&mut self, fork: &Fork) {
        if fork.is_process() {
            self.children.insert(fork.child.pid, LiveChild::new(fork.parent.pid, None));
        }
    }

    fn exit(&mut self, exit: &Exit) {
        let orphans =
            self.children.iter().filter(|(_, child)| child.parent == exit.task.pid && child.ended.is_none());
        let abandoned = |(&pid, _)| Abandoned { pid, old_ppid: exit.task.pid, gone: false };
        self.abandoned.extend(orphans.map(abandoned));
        // Its zombies are another's from now on.
        self.children.retain(|_, child| child.parent != exit.task.pid || child.ended.is_none());
        if let Some(child) = self.children.get_mut(&exit.task.pid) {
            child.ended = Some(exit.at);
        }
    }

    /// Asks who has taken over the children of parents that ended. Some are not taken over yet: asked again later.
    pub fn reparented(&mut self, now: Nanos, stat: impl Fn(Pid) -> Option<Stat>) -> Vec<Event> {
        let mut events = Vec::new();
        self.abandoned.retain_mut(|child| {
            let Abandoned { pid, old_ppid, .. } = *child;
            let Some(stat) = stat(pid) else { return !std::mem::replace(&mut child.gone, true) };
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

    /// Those that have become zombies for so long since they were asked for last.
    pub fn old_zombies(&mut self, now: Nanos, at_least: Nanos) -> Vec<Event> {
        let mut events = Vec::new();
        for (&pid, child) in &mut self.children {
            let Some(since) =
                child.ended.filter(|ended| !child.reported && now.saturating_sub(*ended) >= at_least)
            else {
                continue;
            };
            child.reported = true;
            events.push(Event::ZombieForLong { at: now, pid, ppid: child.parent, since });
        }
        events
    }

    /// How many have been zombies for so long.
    #[must_use]
    pub fn zombies_since(&self, now: Nanos, at_least: Nanos) -> usize {
        let ended = self.children.values().filter_map(|child| child.ended);
        ended.filter(|&ended| now.saturating_sub(ended) >= at_least).count()
    }
}

/// A child notifies its parent that it has ended: also one that is not traced, whose exit is not seen.
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
    use crate::analysis::samples;

    fn fork(parent: Pid, child: Pid) -> Event {
        samples::fork(0, parent, child, 0)
    }

    fn exit(pid: Pid, parent: Pid) -> Event {
        samples::exit(5, pid, parent, 0)
    }

    fn stat(ppid: Pid, state: char) -> Stat {
        Stat { ppid, state, comm: Bytes::from_static(b"python") }
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
    fn a_child_that_ends_before_it_is_asked_about_names_its_parent() {
        for scans in 0..3 {
            let mut children = Children::default();
            for event in [fork(1, 2), fork(2, 3), exit(2, 1)] {
                assert_eq!(children.fold(&event), None);
            }
            (0..scans).for_each(|_| assert!(children.reparented(9, |_| None).is_empty()));
            let reported = children.fold(&exit(3, 1));
            let orphan =
                matches!(reported, Some(Event::Reparented { at: 5, pid: 3, old_ppid: 2, new_ppid: 1, .. }));
            assert_eq!(orphan, scans < 2, "after {scans} scans");
            assert_eq!(children.fold(&exit(3, 1)), None, "it is reported once");
        }
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
        assert!(children.old_zombies(104, 100).is_empty());
        let reported = Event::ZombieForLong { at: 105, pid: 2, ppid: 1, since: 5 };
        assert_eq!(children.old_zombies(105, 100), [reported]);
        assert!(children.old_zombies(900, 100).is_empty(), "it is reported once");
    }

    #[test]
    fn a_child_from_before_the_window_has_another_parent_too() {
        let mut children = Children::default();
        for event in [Event::ChildAtStart { pid: 3, ppid: 2 }, exit(2, 1)] {
            children.fold(&event);
        }
        let events = children.reparented(9, |_| Some(stat(1, 'S')));
        assert!(matches!(events[..], [Event::Reparented { pid: 3, old_ppid: 2, new_ppid: 1, .. }]));
    }
}
