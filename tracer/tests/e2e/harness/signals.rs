//! What a new process inherits of how signals are taken, and should not.

use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The last real-time signal.
const LAST: libc::c_int = 64;

/// With every signal at its default and none blocked, as in the foreground of a shell: a shell that runs tests in the
/// background ignores Ctrl-C, and so would what they start.
pub fn as_a_shell_would(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec it makes system calls only.
    unsafe { command.pre_exec(reset) }
}

fn reset() -> io::Result<()> {
    for signal in 1..=LAST {
        // SAFETY: one system call. Those signals fail that cannot be ignored either, and those of the C library.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let mut none = MaybeUninit::uninit();
    // SAFETY: `none` is written before it is read.
    let error = unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut())
    };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}
