//! Descriptors that a thread of the kernel closes, and not one of ours.
//!
//! The thread that closes the last descriptor of a breakpoint takes the breakpoint out of each process, page by page. If it
//! is killed meanwhile, it gives up in the middle: the kernel's log has "failed to unregister, leaking uprobe", and where
//! it had not been yet, the breakpoint stays for the life of the process.
//! <https://github.com/torvalds/linux/blob/v6.12/mm/gup.c#L1475> (`fatal_signal_pending`)
//!
//! A descriptor that is on its way between two sockets which nobody holds any more is found and closed by the kernel's
//! collector of such sockets, in a thread that nobody can kill. On kernels where that collector still runs in the thread
//! that closes the sockets, it is as if we had closed the descriptor ourselves.
//! <https://github.com/torvalds/linux/blob/v6.12/net/unix/garbage.c#L600> (`unix_gc`)
//!
//! That thread closes one after the other, a fiftieth of a second each. Where many are taken out at once, as at the end or
//! when children come and go by the dozen, threads of ours do it side by side.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sendmsg,
    socketpair,
};
use rustix::pipe::{PipeFlags, pipe_with};

/// Descriptors that the kernel's thread has to close; more would take it longer than the processes take to come and go.
const AT_A_TIME: usize = 4;
/// What their closing is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

static IN_FLIGHT: AtomicUsize = AtomicUsize::new(0);
static AT_END: AtomicBool = AtomicBool::new(false);

/// From now on descriptors are closed where they are dropped, and nobody waits for those that the kernel closes.
pub fn close_at_once() {
    AT_END.store(true, Ordering::Relaxed);
}

/// A descriptor whose closing takes something out of other processes. Dropped, it is closed by the kernel, which is waited
/// for.
#[derive(Debug)]
pub struct InFlight(Option<OwnedFd>);

impl InFlight {
    pub fn new(held: OwnedFd) -> Self {
        Self(Some(held))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let is_room = IN_FLIGHT.fetch_add(1, Ordering::Relaxed) < AT_A_TIME;
        if is_room
            && !AT_END.load(Ordering::Relaxed)
            && let Some(held) = self.0.take()
        {
            // Where it cannot be sent it is closed there.
            let _ = leave_to_the_kernel(held);
        }
        IN_FLIGHT.fetch_sub(1, Ordering::Relaxed);
        // What is held still is closed by this thread, after this.
    }
}

/// Sends it from a socket to another, beside what keeps that other one alive, and lets go of all of them.
fn leave_to_the_kernel(held: OwnedFd) -> io::Result<()> {
    let (from, to) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let (closed, closes) = pipe_with(PipeFlags::CLOEXEC)?;
    // The last one is let go of first, but closed last: the kernel's list of what it has to close is a stack.
    let descriptors = [held.as_fd(), to.as_fd(), closes.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(&from, &[IoSlice::new(b"x")], &mut ancillary, SendFlags::NOSIGNAL)?;
    drop((held, to, closes));
    drop(from); // the collector runs when a socket is closed
    let began = Instant::now();
    while !AT_END.load(Ordering::Relaxed) && began.elapsed() < PATIENCE {
        if poll(&mut [PollFd::new(&closed, PollFlags::IN)], Some(&LOOK))? > 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_closed_when_the_drop_returns() {
        for _ in 0..200 {
            let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("a pipe");
            drop(InFlight::new(writer));
            let read = rustix::io::read(&reader, &mut [0]);
            assert_eq!(read, Ok(0), "nobody can write there any more");
        }
    }
}
