//! Waiting for the rest of the kernel.

use std::io;

/// `MEMBARRIER_CMD_GLOBAL`: <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/membarrier.h#L58>
const GLOBAL: libc::c_long = 1;

/// Returns when every RCU read section that was running has ended: some milliseconds.
///
/// # Errors
/// Where the kernel has no `membarrier`, or runs with full dynamic ticks.
pub fn global() -> io::Result<()> {
    // SAFETY: no memory is passed.
    match unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
