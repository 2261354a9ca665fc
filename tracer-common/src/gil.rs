//! Who holds the GIL while others wait for it.

use crate::python::Frame;
use crate::{pod, sized};

/// A thread that held the GIL, and where it did so off its CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
pub struct Holder {
    /// Its innermost Python frame while it was off its CPU. While it ran, the code is 0: samples show where.
    pub site: Frame,
    /// Thread; 0 where it is not known.
    pub tid: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

/// What makes two holds the same row. Its value is the time, in nanoseconds, in which others waited.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
pub struct HoldKey {
    /// The holder.
    pub holder: Holder,
    /// Address space of its frame.
    pub space: u64,
    /// Process.
    pub pid: u32,
    /// [`crate::control::slice`]
    pub slice: u32,
}

/// GILs of a process that are read: more are hardly waited for.
pub const GILS: u32 = 1024;

/// Whose a [`Queue`] is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct QueueKey {
    /// Address of a GIL that an interpreter beside the main one has of its own; 0 for the main interpreter's.
    pub gil: u64,
    /// Process.
    pub pid: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

/// How long one GIL has been waited for.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Threads that are asleep for it.
    pub waiters: u64,
    /// Up to when the time has been charged to its holders.
    pub since_ns: u64,
    /// GIL of the same process whose queue was made before this one; 0 for none. In the main interpreter's, the newest.
    pub before: u64,
    /// Where [`Self::away_tid`] left its CPU.
    pub away_site: Frame,
    /// The thread that is off its CPU and holds it; 0 for none.
    pub away_tid: u32,
    /// The thread that was given it last, or was last seen to hold it; 0 where that is not known.
    pub holder_tid: u32,
    /// How long others have waited since [`Self::giver_tid`] gave it away, while nobody was seen to hold it.
    pub unseen_ns: u64,
    /// The thread that gave it away last, and may have taken it again; 0 once a holder has been seen since.
    pub giver_tid: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

impl Queue {
    /// The GIL was given away to a thread that still has to come to a CPU.
    #[inline(always)]
    pub fn give(&mut self, giver: u32) {
        (self.giver_tid, self.holder_tid, self.unseen_ns) = (giver, 0, 0);
    }

    /// Others waited for so long, and nobody was seen to hold it.
    #[inline(always)]
    pub fn add_unseen(&mut self, waited: u64) {
        if self.giver_tid != 0 {
            self.unseen_ns += waited;
        }
    }

    /// Who holds it is seen, 0 for nobody: how long before it did so unseen. That is the thread that gave it away if it took
    /// it again before another one did.
    #[inline(always)]
    pub fn see(&mut self, holder: u32) -> u64 {
        let unseen = if holder == self.giver_tid { self.unseen_ns } else { 0 };
        (self.holder_tid, self.giver_tid, self.unseen_ns) = (holder, 0, 0);
        unseen
    }
}

/// The words of a [`Queue`] that several CPUs change at once.
pub trait QueueWords {
    /// [`Queue::waiters`]
    fn waiters(&self) -> u64;
    /// [`Queue::since_ns`]
    fn since(&self) -> u64;
    /// Sets [`Queue::since_ns`] to `now`, unless it is not `since` any more: whether it has done so.
    fn replace_since(&self, since: u64, now: u64) -> bool;
    /// Adds to [`Queue::waiters`].
    fn add_waiters(&self, change: u64);
}

/// One more thread waits for the GIL, or one less: how long others have waited since the last time that this was reported.
/// One CPU may wake up the waiter at the moment at which the thread that gave the GIL away goes to sleep on another: each
/// piece of time goes to one of the two.
#[inline(always)]
pub fn pass(queue: &impl QueueWords, now: u64, change: u64) -> u64 {
    // In this order: who takes a waiter back has taken its time before.
    let waiters = queue.waiters();
    let since = queue.since();
    let is_ours = now > since && queue.replace_since(since, now);
    queue.add_waiters(change);
    if is_ours && waiters.cast_signed() > 0 { now - since } else { 0 }
}

/// What `pthread_self` returns in a thread of a process.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pthread {
    /// The FS base on x86-64.
    pub pointer: u64,
    /// Process.
    pub pid: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

/// What musl's condition variables look like: who waits sleeps on a word of its own stack, which is linked from the
/// condition variable. <https://git.musl-libc.org/cgit/musl/tree/src/thread/pthread_cond_timedwait.c?h=v1.2.5>
mod musl {
    /// `struct waiter`: what is slept on, after the newer waiter, the older one, and a state.
    pub const BARRIER: u64 = 20;
    /// `pthread_cond_t`: the newest waiter.
    pub const NEWEST: u64 = 8;
    /// A lock that somebody has, and somebody waits for.
    pub const CONTENDED: u32 = 2;
}

/// How far above the stack pointer a word may lie that a function sleeps on: those that it calls take less.
pub const NEAR_STACK: u64 = 4096;

/// Bytes from the start of a `_gil_runtime_state` to the thread state that holds it, or did so last.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/internal/pycore_gil.h>
pub const LAST_HOLDER: u64 = 8;
/// Likewise to an `int` that is 1 while it is held.
pub const LOCKED: u64 = 16;
/// Likewise to its two condition variables, `cond` and `switch_cond`.
const CONDITIONS: [u64; 2] = [32, 120];

/// Whether a futex is a word of the waiter's own stack that one of the GIL's condition variables leads to. Of the waiters
/// that came after it, so many are passed on the way to the newest. `word` loads from the waiter's memory.
#[inline(always)]
pub fn is_linked(
    gil: u64,
    futex: u64,
    stack_pointer: u64,
    newer: u32,
    word: impl Fn(u64) -> Option<u64>,
) -> bool {
    let mut waiter = futex.wrapping_sub(musl::BARRIER);
    if gil == 0 || futex.wrapping_sub(stack_pointer) >= NEAR_STACK || waiter & 7 != 0 {
        return false;
    }
    for _ in 0..=newer {
        match word(waiter) {
            None => return false,
            Some(0) => {
                return CONDITIONS.iter().any(|at| word(gil + at + musl::NEWEST) == Some(waiter));
            }
            Some(next) => waiter = next,
        }
    }
    false
}

/// Whether a thread waits for what it waited for last, on these words: one for each of the GIL's condition variables. One
/// that is woken up, or is about to sleep, while its time runs out is not linked from the condition variable any more, and
/// sleeps on its word until it is its turn.
#[must_use]
#[inline(always)]
pub fn waits_on(slept_on: [u64; 2], futex: u64, value: u32) -> bool {
    futex != 0 && value == musl::CONTENDED && (futex == slept_on[0] || futex == slept_on[1])
}

sized!(Holder = 24, HoldKey = 40, QueueKey = 16, Queue = 64, Pthread = 16);
pod!(HoldKey, Pthread);

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    /// A queue, and when another CPU passes it, with what change, once this one has read since when.
    struct Shared {
        waiters: Cell<u64>,
        since: Cell<u64>,
        other: Cell<Option<(u64, u64)>>,
        other_took: Cell<u64>,
    }

    impl QueueWords for Shared {
        fn waiters(&self) -> u64 {
            self.waiters.get()
        }

        fn since(&self) -> u64 {
            let since = self.since.get();
            if let Some((now, change)) = self.other.take() {
                self.other_took.set(pass(self, now, change));
            }
            since
        }

        fn replace_since(&self, since: u64, now: u64) -> bool {
            let is_same = self.since.get() == since;
            if is_same {
                self.since.set(now);
            }
            is_same
        }

        fn add_waiters(&self, change: u64) {
            self.waiters.set(self.waiters.get().wrapping_add(change));
        }
    }

    #[test]
    fn a_piece_of_time_is_charged_once() {
        const GONE: u64 = u64::MAX;
        for (name, waiters, now, other, taken, left) in [
            ("alone", 1, 500, None, 400, 1),
            ("nobody waits", 0, 500, None, 0, 0),
            ("another CPU was first", 1, 500, Some((501, 0)), 401, 1),
            ("another CPU's clock was read before", 1, 500, Some((499, 0)), 399, 1),
            ("another CPU took the waiter back", 1, 500, Some((501, GONE)), 401, 0),
            ("the clock was read long ago", 1, 90, None, 0, 1),
        ] {
            let (waiters, since) = (Cell::new(waiters), Cell::new(100));
            let queue = Shared { waiters, since, other: Cell::new(other), other_took: Cell::new(0) };
            let own = pass(&queue, now, 0);
            assert_eq!((own + queue.other_took.get(), queue.waiters.get()), (taken, left), "{name}");
            let end = other.map_or(now, |(now, _)| now).max(100);
            assert_eq!(queue.since.get(), end, "{name}");
        }
    }

    #[test]
    fn who_gave_it_away_has_the_time_since_if_it_took_it_again() {
        for (name, seen, unseen) in [("again", 7, 40), ("another", 8, 0), ("nobody", 0, 0)] {
            let mut queue = Queue { holder_tid: 7, ..Queue::default() };
            queue.add_unseen(9);
            queue.give(7);
            queue.add_unseen(30);
            queue.add_unseen(10);
            assert_eq!((queue.holder_tid, queue.see(seen), queue.holder_tid), (0, unseen, seen), "{name}");
            queue.add_unseen(5);
            assert_eq!(queue.see(7), 0, "{name}: it has been seen");
        }
    }

    const GIL: u64 = 0x10_0000;
    const STACK: u64 = 0x7f00_0000_1000;

    /// Waiters, each on its own stack, the newest first; and the condition variable that leads to them.
    fn word(condition: u64, waiters: &[u64], address: u64) -> Option<u64> {
        let newer = |index: usize| index.checked_sub(1).map_or(0, |newer| waiters[newer]);
        match waiters.iter().position(|&waiter| waiter == address) {
            Some(index) => Some(newer(index)),
            None if address == condition + 8 => Some(waiters[0]),
            None => (GIL..GIL + 208).contains(&address).then_some(0x30),
        }
    }

    #[test]
    fn who_sleeps_on_its_own_stack_waits_for_what_leads_there() {
        let waiters = [STACK + 0x40, STACK + 0x8040, STACK + 0x1_0040];
        let newest = |condition| is_linked(GIL, STACK + 0x54, STACK, 2, |at| word(condition, &waiters, at));
        assert!(newest(GIL + 32), "the GIL's own");
        assert!(newest(GIL + 120), "of those that gave it away");
        assert!(!newest(GIL + 0x2000), "another lock's");
        let oldest = |newer| {
            is_linked(GIL, STACK + 0x1_0054, STACK + 0x1_0000, newer, |at| word(GIL + 32, &waiters, at))
        };
        assert!(oldest(2));
        assert!(!oldest(1), "that is too far");
    }

    #[test]
    fn a_second_sleep_on_the_same_word_is_for_the_same() {
        let word = STACK + 0x54;
        for slept_on in [[word, 0], [word + 0x60, word]] {
            assert!(waits_on(slept_on, word, 2));
            assert!(!waits_on(slept_on, word, 0x8000_0000), "a semaphore");
            assert!(!waits_on(slept_on, word + 8, 2) && !waits_on(slept_on, 0, 2));
        }
    }

    #[test]
    fn other_futexes_are_not_followed() {
        let nothing = |_| panic!("nothing is to be read");
        for (name, gil, futex) in [
            ("no GIL", 0, STACK + 0x54),
            ("below the stack", GIL, STACK - 0x2c),
            ("far above", GIL, STACK + 0x1054),
            ("no word of a waiter", GIL, STACK + 0x50),
        ] {
            assert!(!is_linked(gil, futex, STACK, 8, nothing), "{name}");
        }
        assert!(!is_linked(GIL, STACK + 0x54, STACK, 8, |_| None), "nothing is mapped");
        assert!(!is_linked(GIL, STACK + 0x54, STACK, 8, |_| Some(STACK + 0x40)), "a ring");
    }
}
