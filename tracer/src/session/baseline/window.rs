//! What `/proc` says at the two ends of the window.

use std::collections::{BTreeSet, HashMap, HashSet};

use procfs::process::Stat;

use super::threads::Threads;
use crate::event::{Bytes, Event, Nanos, Pid, SignalsPending, Task, Tid};
use crate::process::Process;
use crate::process::ThreadStatus;
use crate::timeline::children;

/// The kernel's own counts of switches, of each thread that the roots have now.
pub fn kernel_counts<'a>(threads: &'a [Threads<'_>]) -> impl Iterator<Item = (Task, u64, u64)> + 'a {
    threads.iter().flat_map(of_root)
}

/// Switches of the same threads from one reading of these counts to the next.
#[must_use]
pub fn switches_between(before: &[(Task, u64, u64)], after: &[(Task, u64, u64)]) -> u64 {
    let before: HashMap<_, _> = before.iter().map(|(task, of, other)| (task, of + other)).collect();
    let of_thread =
        |(task, of, other): &(Task, u64, u64)| Some((of + other).saturating_sub(*before.get(task)?));
    after.iter().filter_map(of_thread).sum()
}

/// Those of these threads that there was no time to ask about.
#[must_use]
pub fn unread(threads: &[Threads<'_>]) -> HashSet<Task> {
    threads.iter().flat_map(|of_root| of_root.unread.iter().map(|tid| of_root.task(*tid))).collect()
}

/// None of a process that has ended: its threads' last switches report it.
fn of_root(threads: &Threads<'_>) -> Vec<(Task, u64, u64)> {
    if !threads.root.process.is_alive() {
        return Vec::new();
    }
    let counts =
        |(tid, thread): &(_, ThreadStatus)| (threads.task(*tid), thread.voluntary, thread.involuntary);
    threads.described.iter().map(counts).collect()
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

/// CPU time of a process, in nanoseconds.
#[must_use]
pub fn cpu_ns(pid: Pid) -> Option<Nanos> {
    let stat = procfs::process::Process::new(pid.cast_signed()).ok()?.stat().ok()?;
    Some((stat.utime + stat.stime) * (1_000_000_000 / procfs::ticks_per_second()))
}

/// The signals that wait in a process, and for which of these threads of it; `None` when it is gone.
#[must_use]
pub fn signals_pending(pid: Pid, mut threads: BTreeSet<Tid>) -> Option<SignalsPending> {
    let process = Process::open(pid).ok()?;
    // What waits for any of them stands in the status of each; the first is there until the last has ended.
    threads.insert(pid);
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
