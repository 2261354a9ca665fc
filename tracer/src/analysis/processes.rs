//! Processes: how many came and went, and which were left behind.

use super::kills::Kills;
use super::signal_names::signal_name;
use super::traced::Traced;
use super::zombies::Zombies;
use crate::event::{Bytes, Event, Nanos, Pid};
use crate::report::{self, Bounded, Name, Orphan, ParentEnd};
use crate::symbols::Symbols;

/// Orphans that are kept one by one.
const ORPHANS: usize = 4_096;

/// Children of traced processes.
#[derive(Debug, Default)]
pub struct Processes {
    zombies: Zombies,
    kills: Kills,
    orphans: Vec<Left>,
    orphans_omitted: u64,
    forked: u64,
    execed: u64,
}

/// A child that outlived its parent.
#[derive(Debug)]
struct Left {
    pid: Pid,
    comm: Bytes,
    old_ppid: Pid,
    new_ppid: Pid,
    /// The parent's; its end may be reported after its child has found another.
    wait_status: Option<u32>,
}

impl Processes {
    /// Takes what happens to processes.
    pub fn fold(&mut self, event: &Event, traced: &Traced) {
        self.zombies.fold(event, traced);
        self.kills.fold(event, traced);
        match event {
            Event::Fork(fork) => self.forked += u64::from(fork.is_process()),
            Event::Exec(_) => self.execed += 1,
            Event::Reparented { pid, comm, old_ppid, new_ppid, .. } => {
                let wait_status = traced.wait_status(*old_ppid);
                let (pid, old_ppid, new_ppid) = (*pid, *old_ppid, *new_ppid);
                self.leave(Left { pid, comm: comm.clone(), old_ppid, new_ppid, wait_status });
            }
            Event::Exit(exit) if exit.last_thread => self.parent_ended(exit.task.pid, exit.wait_status),
            _ => {}
        }
    }

    /// The section of the report.
    pub fn finish(&mut self, symbols: &Symbols, traced: &Traced, duration_ns: Nanos) -> report::Processes {
        let zombies = self.zombies.finish(symbols, duration_ns);
        let adopted = self.orphans.iter().map(|orphan| (orphan.pid, &orphan.comm, orphan.old_ppid));
        let kills = self.kills.finish(symbols, traced, adopted);
        report::Processes {
            forked: self.forked,
            execed: self.execed,
            exited: self.zombies.exited,
            reaped: self.zombies.reaped,
            zombies,
            orphans: self.orphans(),
            kills,
        }
    }

    fn leave(&mut self, orphan: Left) {
        if self.orphans.len() < ORPHANS {
            self.orphans.push(orphan);
        } else {
            self.orphans_omitted += 1;
        }
    }

    fn parent_ended(&mut self, pid: Pid, wait_status: u32) {
        for orphan in self.orphans.iter_mut().filter(|orphan| orphan.old_ppid == pid) {
            orphan.wait_status.get_or_insert(wait_status);
        }
    }

    fn orphans(&self) -> Bounded<Orphan> {
        let mut orphans: Bounded<_> = self.orphans.iter().map(Left::row).collect();
        if self.orphans_omitted > 0 {
            orphans.rest.get_or_insert_default().omitted += self.orphans_omitted;
        }
        orphans
    }
}

impl Left {
    fn row(&self) -> Orphan {
        let signal = self.wait_status.map(|status| status & 0x7f).filter(|signal| *signal != 0);
        Orphan {
            pid: self.pid,
            comm: Name::new(&self.comm),
            old_ppid: self.old_ppid,
            new_ppid: self.new_ppid,
            old_parent_ended: if signal.is_some() { ParentEnd::Signal } else { ParentEnd::Exit },
            old_parent_signal: signal.map(signal_name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples::{bytes, exec, exit, fork, process, task};
    use crate::event::Fork;

    fn folded(events: &[Event]) -> Processes {
        let (mut processes, mut traced) = (Processes::default(), Traced::default());
        traced.fold(&Event::Process(process(7, "root")));
        for event in events {
            traced.fold(event);
            processes.fold(event, &traced);
        }
        processes
    }

    #[test]
    fn counts_processes_and_not_threads() {
        let Event::Fork(child) = fork(1, 7, 8, 0) else { unreachable!() };
        let thread = Event::Fork(Fork { child: task(7, 9), ..child.clone() });
        let let_go = Event::Fork(Fork { child: task(10, 10), followed: false, ..child.clone() });
        let mut processes =
            folded(&[Event::Fork(child), thread, let_go, exec(2, 8, &["x"]), exit(3, 8, 7, 0)]);
        let section = processes.finish(&Symbols::default(), &Traced::default(), 9);
        assert_eq!((section.forked, section.execed, section.exited, section.reaped), (2, 1, 1, 0));
    }

    #[test]
    fn an_orphan_shows_how_its_parent_ended() {
        let left = Event::Reparented { at: 5, pid: 9, comm: bytes("o"), old_ppid: 8, new_ppid: 1 };
        let born = fork(1, 7, 8, 0);
        for (name, events, expected) in [
            ("exited before", vec![born.clone(), exit(4, 8, 7, 0x100), left.clone()], ParentEnd::Exit),
            ("killed before", vec![born.clone(), exit(4, 8, 7, 9), left.clone()], ParentEnd::Signal),
            ("killed, reported later", vec![born, left.clone(), exit(4, 8, 7, 9)], ParentEnd::Signal),
            ("its end was not seen", vec![left], ParentEnd::Exit),
        ] {
            let orphans = folded(&events).finish(&Symbols::default(), &Traced::default(), 9).orphans;
            assert_eq!(orphans.rows.len(), 1, "{name}");
            assert_eq!(orphans.rows[0].old_parent_ended, expected, "{name}");
        }
    }
}
