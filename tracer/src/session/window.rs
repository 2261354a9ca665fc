//! What `/proc` says at the two ends of the window.

use std::collections::{BTreeMap, HashSet};

use procfs::process::Stat;

use super::roots::Root;
use super::threads::Threads;
use crate::event::{Bytes, Event, Nanos, Pid, SignalsPending, Task};
use crate::target::Process;
use crate::target::process::Thread;
use crate::timeline::children;

/// The kernel's own counts of switches, of each thread that the roots had at the start.
#[derive(Default)]
pub struct KernelCounters(BTreeMap<Task, Counters>);

/// Switches, voluntary and not.
type Counters = (u64, u64);

impl KernelCounters {
    /// As they stood when these threads were read.
    #[must_use]
    pub fn of(threads: &[Threads<'_>]) -> Self {
        Self(threads.iter().flat_map(of_root).collect())
    }

    /// What was counted since, for the threads that are still there.
    #[must_use]
    pub fn since(&self, roots: &[Root]) -> Vec<Event> {
        let now = Self::of(&Threads::of_all(roots)).0;
        let switches = self.0.iter().filter_map(|(&task, (voluntary, involuntary))| {
            let (voluntary_now, involuntary_now) = now.get(&task)?;
            // A thread that has another's id by now has begun to count anew.
            let voluntary = voluntary_now.checked_sub(*voluntary)?;
            let involuntary = involuntary_now.checked_sub(*involuntary)?;
            Some(Event::KernelSwitches { task, voluntary, involuntary })
        });
        switches.collect()
    }
}

/// None of a process that has ended: its zombie has counters still, and has switched on its way out.
fn of_root(threads: &Threads<'_>) -> Vec<(Task, Counters)> {
    if !threads.root.process.is_alive() {
        return Vec::new();
    }
    let counters = |(tid, thread): &(_, Thread)| (threads.task(*tid), (thread.voluntary, thread.involuntary));
    threads.described.iter().map(counters).collect()
}

/// Descendants that the roots have now, but for those that are roots themselves, and but for us, whom one of them may
/// have started: parents come before their children.
#[must_use]
pub fn descendants(roots: &[Root]) -> Vec<Stat> {
    let Ok(processes) = procfs::process::all_processes() else { return Vec::new() };
    let mut others: Vec<_> = processes.flatten().filter_map(|process| process.stat().ok()).collect();
    let roots: HashSet<_> = roots.iter().map(|root| root.process.pid.cast_signed()).collect();
    let own = std::process::id().cast_signed();
    others.retain(|stat| !roots.contains(&stat.pid) && stat.pid != own);
    let (mut found, mut parents) = (Vec::new(), roots);
    while !parents.is_empty() {
        let (children, rest) = others.into_iter().partition(|stat| parents.contains(&stat.ppid));
        let children: Vec<Stat> = children;
        parents = children.iter().map(|stat| stat.pid).collect();
        found.extend(children);
        others = rest;
    }
    found
}

/// A descendant that was there before the window.
#[must_use]
pub fn before(stat: &Stat) -> Event {
    let (pid, ppid) = (stat.pid.unsigned_abs(), stat.ppid.unsigned_abs());
    if stat.state != 'Z' {
        return Event::ChildAtStart { pid, ppid };
    }
    let comm = Bytes::copy_from_slice(stat.comm.as_bytes());
    Event::ZombieAtStart { pid, ppid, comm, wait_status: stat.exit_code.map(i32::unsigned_abs) }
}

/// CPU time of a process and of the children that it has reaped, in nanoseconds.
#[must_use]
pub fn cpu_ns(pid: Pid) -> Option<Nanos> {
    let stat = procfs::process::Process::new(pid.cast_signed()).ok()?.stat().ok()?;
    let reaped = stat.cutime.unsigned_abs() + stat.cstime.unsigned_abs();
    Some((stat.utime + stat.stime + reaped) * (1_000_000_000 / procfs::ticks_per_second()))
}

/// The signals that wait in a process, `None` when it is gone.
#[must_use]
pub fn signals_pending(pid: Pid) -> Option<SignalsPending> {
    let process = Process::open(pid).ok()?;
    let threads = process.threads().ok()?;
    let masks: Vec<_> = threads.into_iter().filter_map(|tid| Some((tid, process.masks(tid).ok()?))).collect();
    let (_, first) = masks.first()?;
    Some(SignalsPending {
        pid,
        shared: first.shared_pending,
        threads: masks.iter().map(|(tid, masks)| (*tid, masks.pending)).collect(),
        ignored: first.ignored,
    })
}

/// What `/proc/PID/stat` says of a process, `None` when it is gone.
#[must_use]
pub fn stat(pid: Pid) -> Option<children::Stat> {
    let stat = procfs::process::Process::new(pid.cast_signed()).ok()?.stat().ok()?;
    Some(children::Stat {
        ppid: stat.ppid.unsigned_abs(),
        state: stat.state,
        comm: stat.comm.into_bytes().into(),
    })
}
