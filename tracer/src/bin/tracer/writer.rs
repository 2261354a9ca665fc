//! Writes to stdout aside: a reader that stalls must keep neither the run from its work, nor us from signals.

use std::io::{self, Write, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};

use rustix::event::{PollFd, PollFlags, poll};

/// Pieces that may wait to be written; what comes while so many do is not taken.
const WAITING: usize = 4;

/// A thread that writes.
pub struct Writer {
    queue: SyncSender<Vec<u8>>,
    thread: io::Result<JoinHandle<io::Result<()>>>,
}

impl Writer {
    /// To stdout.
    pub fn new() -> Self {
        let (queue, pieces) = sync_channel(WAITING);
        Self { queue, thread: Builder::new().name("writer".into()).spawn(move || write(&pieces)) }
    }

    /// Takes a piece, or gives it back if there is no room for it.
    pub fn offer(&self, piece: Vec<u8>) -> Result<(), Vec<u8>> {
        self.queue.try_send(piece).map_err(|error| match error {
            TrySendError::Full(piece) | TrySendError::Disconnected(piece) => piece,
        })
    }

    /// Nothing can be written any more.
    pub fn has_failed(&self) -> bool {
        self.thread.as_ref().map_or(true, JoinHandle::is_finished)
    }

    /// Writes the last piece, however long that takes.
    ///
    /// # Errors
    /// When it, or any before it, could not be written.
    pub fn finish(self, last: Vec<u8>) -> io::Result<()> {
        let _ = self.queue.send(last); // a thread that has ended reports why
        drop(self.queue);
        self.thread?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn write(pieces: &Receiver<Vec<u8>>) -> io::Result<()> {
    for piece in pieces {
        let mut out = stdout().lock();
        out.write_all(&piece)?;
        out.flush()?;
    }
    Ok(())
}

/// The process that reads our stdout.
pub struct StdoutReader(Arc<AtomicBool>);

impl StdoutReader {
    /// Watches it from now on. A file never goes away, and without another thread nobody's going is noticed before a write.
    pub fn watch() -> Self {
        let gone = Arc::new(AtomicBool::new(false));
        let is_gone = Arc::clone(&gone);
        let watch = move || {
            while !has_gone() {}
            is_gone.store(true, Ordering::Relaxed);
        };
        let _ = Builder::new().name("reader".into()).spawn(watch);
        Self(gone)
    }

    /// There is nobody left who could read.
    pub fn is_gone(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Waits for it; false if something else came between.
fn has_gone() -> bool {
    let stdout = stdout();
    // Its end is reported without being asked for.
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    poll(&mut fds, None).is_ok()
        && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL)
}
