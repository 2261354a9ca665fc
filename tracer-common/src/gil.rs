//! Who holds the GIL while others wait for it.

use crate::python::Frame;
use crate::{pod, sized};

/// A thread that held the GIL, and where it did so off its CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Holder {
    /// Its innermost Python frame while it was off its CPU. While it ran, the code is 0: samples tell where.
    pub site: Frame,
    /// Thread; 0 where it is not known.
    pub tid: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

/// What makes two holds the same row. Its value is the time, in nanoseconds, in which others waited.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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

/// How long one GIL has been waited for.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Threads that are asleep for it.
    pub waiters: u64,
    /// Up to when the time has been charged to its holders.
    pub since_ns: u64,
    /// Where [`Self::away_tid`] left its CPU.
    pub away_site: Frame,
    /// The thread that is off its CPU and holds it; 0 for none.
    pub away_tid: u32,
    /// The thread that was given it last, or was last seen to hold it; 0 where that is not known.
    pub holder_tid: u32,
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

sized!(Holder = 24, HoldKey = 40, Queue = 40, Pthread = 16);
pod!(HoldKey, Pthread);
