//! Children that have ended and are not waited for.
//!
//! ```text
//!  Fork ── … ── Exit ─ SIGCHLD ─────────────── Reaped ── Free
//!                         └───── a zombie ────────┘   the kernel lets go up to 25 ms later
//! ```
//! A child whose parent ignores SIGCHLD is reaped by the kernel at once, its parent is not notified, and it is no zombie:
//! <https://github.com/torvalds/linux/blob/v6.12/kernel/signal.c> (`do_notify_parent`)

pub(super) mod notice;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use self::notice::{SIGCHLD, death_notice};
use super::lines;
use super::signal_names::signal_name;
use super::traced::Traced;
use crate::event::{Bytes, Event, Exit, Fork, Nanos, Pid, SignalDeliver, SignalGenerate, StackId};
use crate::report::{self, Bounded, Name, Notice, Row as _};
use crate::symbols::Symbols;

/// A zombie is worth a row from here on.
const WORTH_A_ROW: Nanos = 100_000_000;
/// How long to wait for `Reaped` once `Free` was seen: they come from different CPUs.
const PATIENCE: Nanos = 100_000_000;
/// Children that have been taken for reaped and are remembered.
const PRESUMED: usize = 1_024;
/// Children that are remembered, and processes where they are.
const CHILDREN: usize = 65_536;

/// Children that have ended, and how long each waited to be reaped.
#[derive(Debug, Default)]
pub struct Zombies {
    children: HashMap<Pid, KnownChild>,
    /// Children without `Reaped` that the kernel has let go of: their pids may be others' already.
    freed: VecDeque<(Nanos, KnownChild)>,
    /// Those of them that have been taken for reaped: on a busy machine the message may still come.
    presumed: VecDeque<Pid>,
    /// Where main threads were blocked when the window ended.
    doing: HashMap<Pid, StackId>,
    /// Where main threads were last seen to run.
    running: HashMap<Pid, StackId>,
    rows: Vec<ZombieRow>,
    omitted: report::Omitted<report::ZombieTotals>,
    /// Processes that ended.
    pub exited: u64,
    /// Children that were waited for.
    pub reaped: u64,
}

/// A child of a traced process.
#[derive(Debug, Default)]
struct KnownChild {
    pid: Pid,
    ppid: Pid,
    comm: Bytes,
    forked_at: Option<StackId>,
    wait_status: Option<u32>,
    exited: Option<Nanos>,
    /// Its parent was notified: from here on it could have been waited for.
    notified: Option<Nanos>,
    notice: Option<Notice>,
    was_zombie: bool,
    is_zombie: bool,
}

/// A row of the report, nearly.
#[derive(Debug)]
struct ZombieRow {
    child: KnownChild,
    zombie_ns: Nanos,
    end: ZombieEnd,
}

/// How we know that a child is a zombie no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ZombieEnd {
    Reaped,
    /// Let go of by the kernel: reaped some time before.
    Freed,
    /// Its parent has ended: now another process is to wait for it.
    Parent,
    /// It still is one.
    Window,
}

impl Zombies {
    /// Takes what happens to children of traced processes.
    pub fn fold(&mut self, event: &Event, traced: &Traced) {
        match event {
            Event::Fork(fork) if fork.is_process() => self.fork(fork),
            Event::Exec(exec) => self.rename(exec.task.pid, &exec.comm),
            Event::ThreadName { task, comm } if task.tid == task.pid => self.rename(task.pid, comm),
            Event::Reparented { pid, new_ppid, .. } => self.reparent(*pid, *new_ppid),
            Event::Exit(exit) if exit.last_thread => {
                self.exit(exit, traced);
                self.abandon(exit.at, exit.task.pid);
                self.running.remove(&exit.task.pid);
            }
            Event::SignalGenerate(signal) => self.notify(signal, traced),
            Event::SignalDeliver(delivery) if delivery.signal == SIGCHLD => self.deliver(delivery),
            Event::Reaped { at, child, of_earlier, .. } => self.reap(*at, *child, *of_earlier),
            Event::Free { at, pid } => self.free(*at, *pid),
            Event::ZombieAtStart { pid, ppid, comm, wait_status } => {
                if let Some(child) = self.child(*pid, *ppid, comm) {
                    (child.was_zombie, child.wait_status) = (true, *wait_status);
                }
            }
            Event::ZombieAtEnd { pid } => self.still_there(*pid),
            Event::Doing { pid, stack } => insert(&mut self.doing, *pid, *stack),
            Event::Samples { key, .. } if key.task.tid == key.task.pid => {
                insert(&mut self.running, key.task.pid, key.stack)
            }
            _ => {}
        }
    }

    /// The rows of the report, longest first.
    pub fn finish(&mut self, symbols: &Symbols, duration_ns: Nanos) -> Bounded<report::Zombie> {
        self.settle_freed(Nanos::MAX);
        let zombies: Vec<_> = self.children.extract_if(|_, child| child.is_zombie).collect();
        for (_, child) in zombies {
            self.end(child, duration_ns, ZombieEnd::Window);
        }
        self.sort();
        let mut rows: Bounded<_> =
            self.rows.iter().map(|row| row.zombie(symbols, self.doing_of(row))).collect();
        if self.omitted.omitted > 0 {
            let rest = rows.rest.get_or_insert_default();
            rest.omitted += self.omitted.omitted;
            rest.totals.zombie_ns += self.omitted.totals.zombie_ns;
        }
        rows
    }

    /// Where its parent is: blocked, or else where it ran last.
    fn doing_of(&self, row: &ZombieRow) -> Option<StackId> {
        let parent = &row.child.ppid;
        let still = row.end == ZombieEnd::Window;
        self.doing.get(parent).or_else(|| self.running.get(parent)).copied().filter(|_| still)
    }

    fn fork(&mut self, fork: &Fork) {
        self.settle_freed(fork.at);
        if self.children.len() < CHILDREN {
            let (pid, ppid, comm) = (fork.child.pid, fork.parent.pid, fork.comm.clone());
            let child = KnownChild { pid, ppid, comm, forked_at: Some(fork.stack), ..KnownChild::default() };
            self.children.insert(pid, child);
        }
    }

    fn rename(&mut self, pid: Pid, comm: &Bytes) {
        if let Some(child) = self.children.get_mut(&pid) {
            child.comm = comm.clone();
        }
    }

    fn reparent(&mut self, pid: Pid, new_ppid: Pid) {
        if let Some(child) = self.children.get_mut(&pid).filter(|child| child.begin().is_none()) {
            child.ppid = new_ppid;
        }
    }

    fn exit(&mut self, exit: &Exit, traced: &Traced) {
        self.settle_freed(exit.at);
        let pid = exit.task.pid;
        if !traced.contains(exit.parent) {
            self.exited += 1;
            self.children.remove(&pid); // not ours, or not any more: another process waits for it
            return;
        }
        let Some(child) = self.child(pid, exit.parent, &exit.comm) else {
            self.exited += 1;
            return;
        };
        (child.exited, child.wait_status) = (Some(exit.at), Some(exit.wait_status));
        let is_first = child.notified.is_none();
        self.exited += u64::from(is_first);
    }

    /// The zombies of a parent that has ended are another's.
    fn abandon(&mut self, at: Nanos, parent: Pid) {
        let is_its = |child: &KnownChild| child.ppid == parent && child.begin().is_some();
        let zombies: Vec<_> = self.children.extract_if(|_, child| is_its(child)).collect();
        for (_, child) in zombies {
            self.end(child, at, ZombieEnd::Parent);
        }
    }

    fn notify(&mut self, signal: &SignalGenerate, traced: &Traced) {
        let (pid, parent) = (death_notice(signal), signal.target.pid);
        let Some(pid) = pid.filter(|_| traced.contains(parent)) else { return };
        let is_its_own = pid == signal.current.pid;
        if !is_its_own && self.children.get(&pid).is_none_or(|child| child.ppid != parent) {
            return;
        }
        let comm = self.children.get(&pid).map_or(&signal.comm, |child| &child.comm).clone();
        let Some(child) = self.child(pid, parent, &comm) else { return };
        let first = child.begin().is_none();
        child.notified.get_or_insert(signal.at);
        child.notice.get_or_insert_with(|| notice::sent(signal));
        self.exited += u64::from(first);
    }

    /// One SIGCHLD may stand for several children.
    fn deliver(&mut self, delivery: &SignalDeliver) {
        for child in self.children.values_mut().filter(|child| child.ppid == delivery.task.pid) {
            child.notice = child.notice.map(|known| notice::delivered(known, delivery));
        }
    }

    fn reap(&mut self, at: Nanos, pid: Pid, of_earlier: bool) {
        let freed = self.freed.iter().position(|(_, child)| child.pid == pid);
        let freed = freed.and_then(|index| self.freed.remove(index)).map(|(_, child)| child);
        let child = if of_earlier { freed } else { freed.or_else(|| self.children.remove(&pid)) };
        if let Some(child) = child {
            self.reaped += 1;
            self.end(child, at, ZombieEnd::Reaped);
        } else if !self.was_presumed(pid) {
            self.reaped += u64::from(!of_earlier);
        }
    }

    fn was_presumed(&mut self, pid: Pid) -> bool {
        let index = self.presumed.iter().position(|presumed| *presumed == pid);
        index.and_then(|index| self.presumed.remove(index)).is_some()
    }

    fn presume_reaped(&mut self, pid: Pid) {
        self.reaped += 1;
        self.presumed.push_back(pid);
        if self.presumed.len() > PRESUMED {
            self.presumed.pop_front();
        }
    }

    fn free(&mut self, at: Nanos, pid: Pid) {
        self.settle_freed(at);
        self.freed.extend(self.children.remove(&pid).map(|child| (at, child)));
    }

    /// Takes the kernel's letting go for the reaping where no `Reaped` has come.
    fn settle_freed(&mut self, now: Nanos) {
        while let Some((at, child)) = self.freed.pop_front_if(|(at, _)| *at + PATIENCE < now) {
            // Of one that the kernel reaped itself no parent was notified, however late it lets go of it.
            if child.was_zombie || child.notified.is_some() {
                self.presume_reaped(child.pid);
                self.end(child, at, ZombieEnd::Freed);
            }
        }
    }

    fn still_there(&mut self, pid: Pid) {
        if let Some(child) = self.children.get_mut(&pid) {
            child.is_zombie = true;
        }
    }

    fn end(&mut self, child: KnownChild, at: Nanos, end: ZombieEnd) {
        let zombie_ns = child.begin().map_or(0, |begin| at.saturating_sub(begin));
        if zombie_ns >= WORTH_A_ROW || end == ZombieEnd::Window {
            self.rows.push(ZombieRow { child, zombie_ns, end });
        }
        if self.rows.len() > 2 * report::Zombie::LIMIT {
            self.drop_shortest();
        }
    }

    fn sort(&mut self) {
        self.rows.sort_by_key(|row| (std::cmp::Reverse(row.zombie_ns), row.child.pid));
    }

    fn drop_shortest(&mut self) {
        self.sort();
        for row in self.rows.drain(report::Zombie::LIMIT..) {
            self.omitted.omitted += 1;
            self.omitted.totals.zombie_ns += row.zombie_ns;
        }
    }

    /// `None` if there are too many.
    fn child(&mut self, pid: Pid, ppid: Pid, comm: &Bytes) -> Option<&mut KnownChild> {
        if self.children.len() >= CHILDREN && !self.children.contains_key(&pid) {
            return None;
        }
        let child = self.children.entry(pid).or_insert_with(|| {
            let comm = comm.clone();
            KnownChild { pid, comm, ..KnownChild::default() }
        });
        child.ppid = ppid;
        Some(child)
    }
}

/// Remembers it, unless there are too many.
fn insert(stacks: &mut HashMap<Pid, StackId>, pid: Pid, stack: StackId) {
    if stacks.len() < CHILDREN || stacks.contains_key(&pid) {
        stacks.insert(pid, stack);
    }
}

impl KnownChild {
    /// When it became a zombie; the window's start if it was one before.
    fn begin(&self) -> Option<Nanos> {
        if self.was_zombie { Some(0) } else { self.notified.or(self.exited) }
    }
}

impl ZombieRow {
    fn zombie(&self, symbols: &Symbols, doing: Option<StackId>) -> report::Zombie {
        let child = &self.child;
        let signal = child.wait_status.map(|status| status & 0x7f).filter(|signal| *signal != 0);
        report::Zombie {
            pid: child.pid,
            ppid: child.ppid,
            comm: Name::new(&child.comm),
            exit_code: child
                .wait_status
                .filter(|_| signal.is_none())
                .map(|status| (status >> 8 & 0xff) as i32),
            signal: signal.map(signal_name),
            exited_at_ns: child.begin().filter(|_| !child.was_zombie),
            zombie_ns: self.zombie_ns,
            end_is_upper_bound: self.end == ZombieEnd::Freed,
            reaped: matches!(self.end, ZombieEnd::Reaped | ZombieEnd::Freed),
            parent_ended: self.end == ZombieEnd::Parent,
            spawned_at: child.forked_at.and_then(|stack| lines::stack_of(symbols, stack)),
            parent_doing: doing.and_then(|stack| lines::stack_of(symbols, stack)),
            sigchld: child.notice,
        }
    }
}
