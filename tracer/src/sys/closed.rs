//! Whether stdout was closed when we began. The standard library opens `/dev/null` in its place, where a report would be
//! lost without a word.

use std::sync::atomic::{AtomicBool, Ordering};

static CLOSED: AtomicBool = AtomicBool::new(false);

/// Runs before the standard library's own beginning.
#[used]
// SAFETY: the section holds pointers to functions of this type, which the C library calls one by one.
#[unsafe(link_section = ".init_array")]
static CHECK: extern "C" fn() = check;

extern "C" fn check() {
    // SAFETY: a system call that changes nothing.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    CLOSED.store(flags == -1, Ordering::Relaxed);
}

/// What comes of writing there.
///
/// # Errors
/// `EBADF` when it was closed.
pub fn stdout() -> std::io::Result<()> {
    if CLOSED.load(Ordering::Relaxed) { Err(rustix::io::Errno::BADF.into()) } else { Ok(()) }
}
