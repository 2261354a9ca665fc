//! Context switches: one row per thread, cause and stack, and what each thread does right now.

use crate::event::Header;
use crate::handler::Waited;
use crate::python::Frame;
use crate::wakeup::Waker;
use crate::{pod, sized};

/// What makes two switch-outs the same row.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
pub struct SwitchKey {
    /// The stack at the switch, 0 when there is none.
    pub stack: u64,
    /// [`crate::hash::file_id`] of the descriptor that the system call names, else 0.
    pub object: u64,
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// See [`crate::control::slice`].
    pub slice: u32,
    /// System call that it is in, -1 for none.
    pub syscall: i32,
    /// See [`flag`].
    pub flags: u32,
    /// One of [`crate::python::status`].
    pub status: u32,
    /// With [`flag::GIL`]: the read after which the GIL is taken back, whose file is `object`; -1 for none.
    pub after_call: i32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

/// Flags of [`SwitchKey`].
pub mod flag {
    /// The kernel counted it in `nvcsw`.
    pub const VOLUNTARY: u32 = 1;
    /// It waits on a futex inside the interpreter's GIL.
    pub const GIL: u32 = 2;
    /// `TASK_UNINTERRUPTIBLE`: a wait that no signal ends, for a disk most often.
    pub const UNINTERRUPTIBLE: u32 = 4;
    /// Stopped by a signal or by a debugger.
    pub const STOPPED: u32 = 8;
    /// The thread has ended.
    pub const DEAD: u32 = 16;
    /// A new thread that has not run yet: no switch-out, only the time until it runs.
    pub const BORN: u32 = 32;
    /// It was off its CPU when the window began.
    pub const BEGAN_BEFORE: u32 = 64;
    /// The system call's first argument is 0 (select and poll on nothing are sleeps).
    pub const NO_DESCRIPTORS: u32 = 128;
    /// Only the innermost frame was taken: its callers were not read.
    pub const LEAF_ONLY: u32 = 256;
    /// The row holds on-CPU time only: the thread was running when the window ended.
    pub const RUNNING: u32 = 512;
    /// It holds the GIL.
    pub const HOLDS_GIL: u32 = 1024;
    /// A futex that is shared between processes.
    pub const SHARED_FUTEX: u32 = 2048;
    /// A futex that is waited for as the C library's mutexes are, and as no lock of Python's is.
    pub const MUTEX: u32 = 4096;
    /// Without GIL: the lock of an object, which other threads use.
    pub const OBJECT_LOCK: u32 = 8192;
    /// Without GIL: all threads stand still, for the garbage collector or a fork.
    pub const STOPPED_WORLD: u32 = 16384;
    /// From this bit on: [`crate::control::Control::thinning`], where the callers were read by chance.
    pub const THINNING_SHIFT: u32 = 16;
    /// The bits of that.
    pub const THINNING: u32 = 15 << THINNING_SHIFT;
}

/// What the operation of a futex says of its lock: [`flag::SHARED_FUTEX`] and [`flag::MUTEX`]. Python's own locks are
/// semaphores, which never use the plain `FUTEX_WAIT` of a mutex.
/// <https://sourceware.org/git/?p=glibc.git;a=blob;f=nptl/sem_waitcommon.c;hb=refs/tags/glibc-2.36>
#[inline(always)]
#[must_use]
pub const fn futex_flags(operation: u64) -> u32 {
    const PRIVATE: u64 = 128;
    const COMMAND: u64 = 127;
    let shared = if operation & PRIVATE == 0 { flag::SHARED_FUTEX } else { 0 };
    let mutex = if operation & COMMAND == 0 { flag::MUTEX } else { 0 };
    shared | mutex
}

/// What a row adds up to.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
pub struct SwitchValue {
    /// Switch-outs.
    pub count: u64,
    /// From switch-out to switch-in, run-queue wait included.
    pub off_cpu_ns: u64,
    /// Of these, runnable: from the wakeup, or from a preemption, to the switch-in.
    pub run_queue_ns: u64,
    /// On the CPU before these switch-outs.
    pub on_cpu_ns: u64,
    /// Gaps in `off_cpu_ns` that had begun before the window.
    pub began_before: u64,
    /// Acquisitions of the GIL that slept: one of them may take several switches.
    pub gil_waits: u64,
}

/// The read that a thread returned from last.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastRead {
    /// Where it was called.
    pub site: Frame,
    /// [`crate::hash::file_id`]
    pub file: u64,
    /// Its number.
    pub syscall: u32,
    /// 1 until the thread has left its CPU for the GIL.
    pub fresh: u32,
}

/// What one thread does right now.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// The row of its last switch-out; its off-CPU time goes there.
    pub key: SwitchKey,
    /// Since when it is on or off its CPU.
    pub since_ns: u64,
    /// Made runnable at; 0 while it sleeps.
    pub runnable_ns: u64,
    /// `nvcsw` at its last switch-out, plus 1; 0 when none was seen.
    pub voluntary_seen: u64,
    /// Off its CPU so far.
    pub off_cpu_ns: u64,
    /// Of these, for the GIL.
    pub gil_ns: u64,
    /// Of the others, runnable.
    pub run_queue_ns: u64,
    /// 1 while it runs.
    pub running: u32,
    /// 1 while it sleeps for the GIL, 2 once it has been woken up by the thread that gives it away, until it runs.
    pub waits_for_gil: u32,
    /// Its last read.
    pub last_read: LastRead,
    /// Who is waking it up.
    pub waker: Waker,
    /// The GIL that it waits for, or that its interpreter had when it left its CPU last, as in [`crate::gil::QueueKey`].
    pub gil: u64,
    /// What `pthread_self` returns in it, as far as that is known.
    pub pthread: u64,
    /// The words of its own stack that it slept on for the GIL, the last one first, until it leaves its CPU for something
    /// else; 0 for none.
    pub gil_words: [u64; 2],
    /// A hash of the frame in which it left its CPU last, 0 when there was none.
    pub place: u64,
    /// 1 once it has been seen to wait as event loops do, see [`crate::turn`].
    pub turns: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

impl Thread {
    /// How long it has been off its CPU, and how long of that runnable, since it left: since the window began for it, at
    /// `start_ns`, where it left before.
    #[inline(always)]
    #[must_use]
    pub fn gap(&self, start_ns: u64, now_ns: u64) -> (u64, u64) {
        let since = if self.since_ns == 0 { start_ns } else { self.since_ns };
        let runnable = if self.runnable_ns == 0 { now_ns } else { self.runnable_ns };
        (now_ns.saturating_sub(since), now_ns.saturating_sub(runnable.max(since)))
    }

    /// What it has waited for so far in a window that began then, the wait that goes on included.
    #[inline(always)]
    #[must_use]
    pub fn waited(&self, started_ns: u64, now_ns: u64) -> Waited {
        let since = self.since_ns.max(started_ns);
        // Also of a thread that asks for itself: its return may not have been seen.
        let open = if self.running == 0 { now_ns.saturating_sub(since) } else { 0 };
        let queued = match self.runnable_ns {
            0 => 0,
            runnable => now_ns.saturating_sub(runnable.max(since)).min(open),
        };
        let (gil, queued) = if self.key.flags & flag::GIL != 0 { (open, 0) } else { (0, queued) };
        Waited {
            off_cpu_ns: self.off_cpu_ns + open,
            gil_ns: self.gil_ns + gil,
            run_queue_ns: self.run_queue_ns + queued,
            known: 1,
            asleep: u32::from(self.running == 0 && self.runnable_ns == 0),
        }
    }
}

/// What the kernel has counted of a thread that has left its CPU for the last time; the header names it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Its kind is [`crate::event::kind::COUNTED`].
    pub header: Header,
    /// `nvcsw`
    pub voluntary: u64,
    /// `nivcsw`
    pub involuntary: u64,
}

sized!(Counted = 40, SwitchKey = 48, SwitchValue = 48, LastRead = 32, Thread = 240);
pod!(SwitchKey, SwitchValue, Thread);

#[cfg(test)]
mod tests {
    use super::*;

    /// A window from 100 on; it is 200 now.
    #[test]
    fn a_gap_is_split_where_the_thread_became_runnable() {
        for (name, since_ns, runnable_ns, expected) in [
            ("slept, and was woken up", 140, 190, (60, 10)),
            ("preempted", 140, 140, (60, 60)),
            ("its wakeup was not seen", 140, 0, (60, 0)),
            ("asleep since before the window", 0, 170, (100, 30)),
            ("runnable since before the window", 0, 60, (100, 100)),
            ("woken up by a CPU whose clock is ahead", 140, 201, (60, 0)),
            ("left in the future", 201, 0, (0, 0)),
        ] {
            let thread = Thread { since_ns, runnable_ns, ..Thread::default() };
            assert_eq!(thread.gap(100, 200), expected, "{name}");
        }
    }

    #[test]
    fn what_a_thread_has_waited_for_has_one_reason_each() {
        let thread = |flags, running, since_ns, runnable_ns| Thread {
            key: SwitchKey { flags, ..SwitchKey::default() },
            off_cpu_ns: 1_000,
            gil_ns: 300,
            run_queue_ns: 200,
            running,
            since_ns,
            runnable_ns,
            ..Thread::default()
        };
        for (name, thread, expected) in [
            ("it runs", thread(flag::GIL, 1, 140, 0), (1_000, 300, 200, 0)),
            ("sleeps", thread(0, 0, 140, 0), (1_060, 300, 200, 1)),
            ("sleeps since before the window", thread(0, 0, 20, 0), (1_100, 300, 200, 1)),
            ("waits for a CPU", thread(0, 0, 140, 190), (1_060, 300, 210, 0)),
            ("waits for the GIL", thread(flag::GIL, 0, 140, 0), (1_060, 360, 200, 1)),
            ("has been given the GIL, and no CPU", thread(flag::GIL, 0, 140, 190), (1_060, 360, 200, 0)),
        ] {
            let waited = thread.waited(100, 200);
            let found = (waited.off_cpu_ns, waited.gil_ns, waited.run_queue_ns, waited.asleep);
            assert_eq!(found, expected, "{name}");
        }
    }
}
