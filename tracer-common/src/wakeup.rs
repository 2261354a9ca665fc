//! Wakeups: who ended a thread's sleep by a system call of its own.

use crate::python::Frame;
use crate::switch::SwitchKey;
use crate::syscall::{bits, has};
use crate::{pod, sized};

/// System calls of x86-64 that can wake another thread up. While one of them runs, an interrupt may wake somebody
/// too: whether the call fits the sleep is for user space to say.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/entry/syscalls/syscall_64.tbl>
#[rustfmt::skip] // a line for each sort of them
static WAKING_CALLS: [u64; 8] = bits(&[
    0, 1, 17, 18, 19, 20, 40, 275, 276, 278, 295, 296, 327, 328,       // read, write and the like, splice
    42, 43, 44, 45, 46, 47, 48, 288, 299, 307,                         // sockets
    2, 3, 33, 257, 292, 436, 437,                                  // open of a FIFO, close, dup2
    202, 454, 456,                                                     // futexes
    56, 57, 58, 435, 59, 322, 60, 231,                                 // fork, execve (ends a vfork), exit
    62, 200, 234, 129, 297, 424, 101,                                  // signals, ptrace
    65, 66, 220, 69, 70, 71, 242, 243,                             // System V and POSIX queues
    72, 73, 233, 426,                                                  // file locks, epoll_ctl, io_uring_enter
    9, 10, 11, 12, 25, 28,                                             // the lock of the address space
    76, 77, 82, 83, 84, 87, 263, 264, 316,                             // locks of files and folders
]);
/// `exit_group`: what a thread does that is on its way out, whatever call it was in.
pub const EXIT: i32 = 231;
/// `futex`
pub const FUTEX: i32 = 202;

/// Whether a system call is one of those that can wake another thread up.
#[inline(always)]
#[must_use]
pub fn can_wake(syscall: i32) -> bool {
    has(&WAKING_CALLS, syscall)
}

/// A thread that is waking another one up.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
pub struct Waker {
    /// Its innermost Python frame; the code is 0 where there is none, or it is not traced.
    pub site: Frame,
    /// Address space of `site`.
    pub space: u64,
    /// Its name.
    pub comm: [u8; 16],
    /// Process.
    pub pid: u32,
    /// Thread; 0 where nobody is known to have done it.
    pub tid: u32,
    /// System call that it is in.
    pub syscall: i32,
    /// 1 while the kernel handles received packets and the like on its back: its own, when it sends to itself.
    pub in_softirq: u32,
}

/// What makes two wakeups the same row.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
pub struct WakeKey {
    /// The row of the switch-out that began the sleep.
    pub row: SwitchKey,
    /// Who ended it.
    pub waker: Waker,
}

sized!(Waker = 56, WakeKey = 104);
pod!(WakeKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_by_their_number() {
        for (call, expected) in
            [(1, true), (FUTEX, true), (EXIT, true), (456, true), (35, false), (-1, false), (512, false)]
        {
            assert_eq!(can_wake(call), expected, "{call}");
        }
    }
}
