//! Event loops: the turns between two waits for any of many descriptors.

use crate::event::Header;
use crate::{pod, sized};

/// Turns that last as long are reported one by one, with what they were spent on.
pub const LONG_NS: u64 = 50_000_000;
/// What a long turn is spent on is reported this often at most.
pub const PIECE_NS: u64 = 5_000_000;

/// System calls of x86-64 in which event loops wait: `epoll_wait`, `epoll_pwait`, `epoll_pwait2`.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/entry/syscalls/syscall_64.tbl>
#[inline(always)]
#[must_use]
pub const fn waits(syscall: i32) -> bool {
    matches!(syscall, 232 | 281 | 441)
}

/// The turns of one thread.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loop {
    /// When the turn began that goes on: its last wait returned, in nanoseconds of `CLOCK_MONOTONIC`.
    pub began_ns: u64,
    /// Asleep in waits since then.
    pub waited_ns: u64,
    /// Until then it has been reported what the turn was spent on.
    pub reported_ns: u64,
    /// Since then it had no CPU for so long, and could have run.
    pub queued_ns: u64,
    /// Turns that have ended, but for the long ones, which are reported one by one.
    pub turns: u64,
    /// What they lasted, without their waits.
    pub busy_ns: u64,
    /// The longest one.
    pub longest_ns: u64,
    /// Its process.
    pub pid: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

/// A long turn has ended. The header names the loop's thread.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Its kind is [`crate::event::kind::LOOP_TURN`].
    pub header: Header,
    /// When it began, in nanoseconds of `CLOCK_MONOTONIC`.
    pub began_ns: u64,
    /// How long the loop was kept from its next wait.
    pub busy_ns: u64,
}

/// What a piece of a long turn was spent on; a record, beside a switch or a sample.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Its kind is [`crate::event::kind::LOOP_PIECE`]; it names the thread of the loop, whichever thread runs.
    pub header: Header,
    /// The turn.
    pub began_ns: u64,
    /// How long.
    pub lasted_ns: u64,
    /// Of that without a CPU, while others had it.
    pub queued_ns: u64,
    /// Where.
    pub stack: u64,
    /// As in [`crate::switch::SwitchKey`]: what the system call names.
    pub object: u64,
    /// As there; -1 for none.
    pub syscall: i32,
    /// As there; [`crate::switch::flag::RUNNING`] on a CPU.
    pub flags: u32,
}

/// All turns of a process that has ended, but for the long ones. The header names its main thread.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turned {
    /// Its kind is [`crate::event::kind::LOOP_END`].
    pub header: Header,
    /// As in [`Loop`].
    pub turns: u64,
    /// Likewise.
    pub busy_ns: u64,
    /// Likewise.
    pub longest_ns: u64,
}

sized!(Turned = 48, Loop = 64, Turn = 40, Piece = 24 + 48);
pod!(Loop);
