//! The thread that packs blocks and writes them: it has the rights of the user who asked, and neither compression nor a
//! slow disk keeps the run from its work.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::thread::{Builder, sleep};
use std::time::Duration;

use super::block::pack;
use super::recorder::Sink;
use super::{MAGIC, VERSION};
use crate::report::output::{GrowingFile, Invoker, OutputError};

/// Blocks that may wait to be written.
const WAITING: usize = 4;
/// Who has that many waits so long for the disk; then the recording ends: the run must not.
const PATIENCE: Duration = Duration::from_millis(400);
const LOOK: Duration = Duration::from_millis(5);

/// A file that blocks go to.
pub struct RecordingFile {
    blocks: Option<SyncSender<Vec<u8>>>,
    failed: Arc<AtomicBool>,
}

/// The end of a recording, for who waits for it when all blocks have been written.
pub struct RecordingEnd {
    path: PathBuf,
    /// Bytes that were written, or why no more were.
    end: Receiver<Result<u64, OutputError>>,
}

impl RecordingFile {
    /// Begins the file: it takes its name with the first block.
    ///
    /// # Errors
    /// When no file can be made there with the rights of the user who asked.
    pub fn create(path: &Path) -> Result<(Self, RecordingEnd), OutputError> {
        let cannot = |cause| OutputError::create(path, cause);
        let (sender, blocks) = sync_channel(WAITING);
        let (begun, begin) = channel();
        let (ended, end) = channel();
        let failed = Arc::new(AtomicBool::new(false));
        let (own_path, own_failed) = (path.to_owned(), failed.clone());
        let keep = move || match create(&own_path) {
            Ok(file) => {
                let _ = begun.send(Ok(())); // the caller waits for it
                let written = write(file, &blocks);
                own_failed.store(written.is_err(), Ordering::Relaxed);
                let _ = ended.send(written);
            }
            Err(refused) => _ = begun.send(Err(refused)),
        };
        Builder::new().name("recording-file".into()).spawn(keep).map_err(cannot)?;
        begin.recv().unwrap_or_else(|_| Err(cannot(io::Error::other("its thread has ended"))))?;
        let end = RecordingEnd { path: path.into(), end };
        Ok((Self { blocks: Some(sender), failed }, end))
    }
}

impl Sink for RecordingFile {
    fn block(&mut self, raw: Vec<u8>) {
        let Some(blocks) = &self.blocks else { return };
        let mut raw = raw;
        for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
            match blocks.try_send(raw) {
                Ok(()) => return,
                Err(TrySendError::Full(refused)) => raw = refused,
                Err(TrySendError::Disconnected(_)) => break, // its end reports why
            }
            sleep(LOOK);
        }
        self.failed.store(true, Ordering::Relaxed);
        self.blocks = None;
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

impl RecordingEnd {
    /// Waits until all is written, once the recorder is gone; bytes of the file.
    ///
    /// # Errors
    /// When not all could be written in time.
    pub fn wait(self) -> Result<u64, OutputError> {
        let ended = self.end.recv_timeout(PATIENCE);
        ended.unwrap_or_else(|error| {
            let cause = match error {
                RecvTimeoutError::Timeout => io::Error::from(io::ErrorKind::TimedOut),
                RecvTimeoutError::Disconnected => io::Error::other("its thread has ended"),
            };
            Err(OutputError::write(&self.path, cause))
        })
    }
}

fn create(path: &Path) -> Result<GrowingFile, OutputError> {
    let invoker = Invoker::current();
    invoker.become_here().map_err(|cause| OutputError::create(path, cause))?;
    GrowingFile::create(&invoker, path)
}

fn write(mut file: GrowingFile, blocks: &Receiver<Vec<u8>>) -> Result<u64, OutputError> {
    let begin = [&MAGIC[..], &VERSION.to_le_bytes()].concat();
    let mut begin = Some(begin);
    for raw in blocks {
        let block = [begin.take().unwrap_or_default(), pack(&raw)].concat();
        file.append(&block)?;
    }
    Ok(file.written())
}
