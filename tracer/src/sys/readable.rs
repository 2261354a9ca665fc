//! Descriptors that tokio waits for.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use aya::maps::{MapData, RingBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Readable when a probe says that the reader should not wait.
///
/// # Errors
/// When the system has no room for another watched descriptor.
pub fn ring(ring: RingBuf<MapData>) -> io::Result<AsyncFd<RingBuf<MapData>>> {
    // SAFETY: a ring buffer owns its map's descriptor, and keeps it as long as it lives.
    unsafe { readable(ring) }
}

/// Readable when its process has ended.
///
/// # Errors
/// When the system has no room for another watched descriptor.
pub fn pidfd(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: it owns its descriptor.
    unsafe { readable(pidfd) }
}

/// Readable when it has expired.
///
/// # Errors
/// When the system has no room for another watched descriptor.
pub fn timer(timer: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: it owns its descriptor.
    unsafe { readable(timer) }
}

/// # Safety
/// `owner` must own one descriptor, and give the same one whenever it is asked.
unsafe fn readable<T: AsRawFd>(owner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: the caller's.
    unsafe { AsyncFd::register_with_interest(owner, Interest::READABLE) }.map_err(io::Error::from)
}
