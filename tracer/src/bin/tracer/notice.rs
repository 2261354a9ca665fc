//! What is said on stderr. A thread of its own writes it: a terminal that stands still, or a reader who does not read, must
//! keep neither a run from its end, nor us from signals.

use std::fmt::Display;
use std::io::{Write, stderr};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::Duration;

/// Pieces that may wait to be written; what comes while so many do is not said.
const WAITING: usize = 64;
/// How long the last words may take.
const PATIENCE: Duration = Duration::from_millis(200);

enum StderrPiece {
    Words(Vec<u8>),
    /// The sender waits until all before it is written.
    Waits(SyncSender<()>),
}

/// What waits for the thread; `None` where the system has no room for one.
static QUEUE: OnceLock<Option<SyncSender<StderrPiece>>> = OnceLock::new();

/// Says a line.
pub fn say(line: impl Display) {
    write(format!("tracer: {line}\n"));
}

/// Says this as it is, in one piece: a command that we run writes to the same terminal, and would come in between.
pub fn write(words: String) {
    match QUEUE.get_or_init(start) {
        // A full queue: nobody reads, and nobody is to wait for that.
        Some(queue) => _ = queue.try_send(StderrPiece::Words(words.into_bytes())),
        None => _ = stderr().write_all(words.as_bytes()),
    }
}

/// Returns once all is written, or if that takes too long.
pub fn settle() {
    let Some(Some(queue)) = QUEUE.get() else { return };
    let (sender, done) = sync_channel(1);
    if queue.try_send(StderrPiece::Waits(sender)).is_ok() {
        let _ = done.recv_timeout(PATIENCE);
    }
}

fn start() -> Option<SyncSender<StderrPiece>> {
    let (queue, pieces) = sync_channel(WAITING);
    Builder::new().name("notice".into()).spawn(move || write_all(&pieces)).ok().map(|_| queue)
}

/// Who has closed stderr hears nothing.
fn write_all(pieces: &Receiver<StderrPiece>) {
    for piece in pieces {
        match piece {
            StderrPiece::Words(words) => _ = stderr().write_all(&words),
            StderrPiece::Waits(sender) => _ = sender.send(()),
        }
    }
}
