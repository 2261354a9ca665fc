//! What a process has of signals from who started it, and what it must not have.

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What was to happen at `SIGXFSZ` before we began.
static TOO_LARGE: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);

/// Lets the signals reach us that ask us to end, whatever who started us has blocked; and makes a file that grows beyond
/// its limit an error, which is reported, and no death.
pub fn settle() {
    let mut asked = MaybeUninit::uninit();
    // SAFETY: the set is made empty before anything else is done with it; to unblock what has a handler of ours, or ends
    // us, is what is meant.
    unsafe {
        libc::sigemptyset(asked.as_mut_ptr());
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            libc::sigaddset(asked.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_UNBLOCK, asked.as_ptr(), std::ptr::null_mut());
    }
    // SAFETY: to ignore a signal runs no code.
    let before = unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    TOO_LARGE.store(before, Ordering::Relaxed);
}

/// Gives a command back what we began with: what is ignored stays so when a program is executed. Makes system calls only.
///
/// # Errors
/// When the kernel refuses.
pub fn restore() -> io::Result<()> {
    // SAFETY: what was there is no function of this program: it was there when it began.
    let refused = unsafe { libc::signal(libc::SIGXFSZ, TOO_LARGE.load(Ordering::Relaxed)) } == libc::SIG_ERR;
    if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
}
