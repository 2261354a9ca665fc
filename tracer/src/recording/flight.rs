//! The thread of a flight recorder: keeps the last minutes of a run in memory, and writes them to a file of their own each
//! time that it is asked to.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::before::Before;
use super::block::{HEADER, Header, pack};
use super::record::{Borrowed, Record, Records};
use super::recorder::{Save, Sink};
use super::standing::Standing;
use super::{MAGIC, VERSION};
use crate::report::output::{Draft, Invoker, OutputError};

/// Blocks that may wait for the thread: it never waits for a disk but while it saves.
const WAITING: usize = 64;
/// Most that is kept, packed: five minutes of 10,000 events a second take half of it.
const MOST: usize = 48 << 20;

/// What became of a save.
#[derive(Debug)]
pub enum Saved {
    /// A file is there.
    File {
        /// Why it was saved.
        why: String,
        /// Where it is.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// It could not be written.
    Failed(OutputError),
    /// There was no room for it.
    LeftOut {
        /// Why it was to be saved.
        why: String,
        /// There are as many files as there may be; if not, the disk has not taken the one before.
        are_enough: bool,
    },
}

/// Keeps the last part of a run.
pub struct FlightRecorder {
    path: PathBuf,
    messages: SyncSender<ThreadMessage>,
    saved: Sender<Saved>,
    counts: Arc<SaveCounts>,
    /// The thread did not keep up for a minute: a disk does not answer. Nothing may be missing without a word, so that
    /// this ends the run.
    failed: bool,
}

struct SaveCounts {
    /// Files that may still be written.
    left: AtomicU32,
    /// Saves that the thread has not written yet.
    waiting: AtomicU32,
}

enum ThreadMessage {
    Block(Vec<u8>),
    Save(Save),
}

impl FlightRecorder {
    /// Keeps what happened in the last `length`; at most so many files are called as `path`, with the time before the
    /// ending.
    ///
    /// # Errors
    /// When no file can be made there with the rights of the user who asked.
    pub fn start(path: &Path, length: Duration, most: u32) -> Result<(Self, Receiver<Saved>), OutputError> {
        let cannot = |cause| OutputError::create(path, cause);
        let (messages, queue) = sync_channel(WAITING);
        let (saved, files) = channel();
        let (begun, begin) = channel();
        let counts = Arc::new(SaveCounts { left: AtomicU32::new(most), waiting: AtomicU32::new(0) });
        let (own_saved, own_counts) = (saved.clone(), Arc::clone(&counts));
        let own_path = path.to_owned();
        let keep = move || {
            let tried = become_invoker(&own_path).and_then(|invoker| {
                Draft::create(&invoker, &own_path)?; // leaves nothing
                Ok(invoker)
            });
            let (answer, invoker) = match tried {
                Ok(invoker) => (Ok(()), Some(invoker)),
                Err(error) => (Err(error), None),
            };
            let _ = begun.send(answer); // the caller waits for it
            if let Some(invoker) = invoker {
                Kept::new(own_path, invoker, length).listen(&queue, &own_saved, &own_counts);
            }
        };
        Builder::new().name("flight-recorder".into()).spawn(keep).map_err(cannot)?;
        begin.recv().unwrap_or_else(|_| Err(cannot(io::Error::other("its thread has ended"))))?;
        Ok((Self { path: path.to_owned(), messages, saved, counts, failed: false }, files))
    }

    fn send(&mut self, message: ThreadMessage) {
        if !self.failed && self.messages.try_send(message).is_err() {
            self.failed = true;
            let _ = self.saved.send(Saved::Failed(OutputError::write(&self.path, io::ErrorKind::TimedOut)));
        }
    }
}

fn become_invoker(path: &Path) -> Result<Invoker, OutputError> {
    let invoker = Invoker::current();
    invoker.become_here().map_err(|cause| OutputError::create(path, cause))?;
    Ok(invoker)
}

impl Sink for FlightRecorder {
    fn block(&mut self, raw: Vec<u8>) {
        self.send(ThreadMessage::Block(raw));
    }

    /// What waits has all that ids stand for: one at a time, and the last.
    fn takes_save(&mut self, why: &str, is_last: bool) -> bool {
        let SaveCounts { left, waiting } = &*self.counts;
        let are_enough = left.load(Ordering::Relaxed) == 0;
        let takes = !are_enough && (is_last || waiting.load(Ordering::Relaxed) == 0);
        if !takes {
            let _ = self.saved.send(Saved::LeftOut { why: why.to_owned(), are_enough }); // nobody has to listen
        }
        takes
    }

    fn save(&mut self, save: Save) {
        self.counts.left.fetch_sub(1, Ordering::Relaxed); // nobody else takes of it
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        self.send(ThreadMessage::Save(save));
    }

    fn has_failed(&self) -> bool {
        self.failed
    }
}

/// What is kept.
struct Kept {
    path: PathBuf,
    invoker: Invoker,
    length: Duration,
    /// How the run began: the first block, packed.
    opening: Option<Vec<u8>>,
    /// What older blocks leave behind.
    before: Before,
    /// How the run stood at their end; `None` as long as nothing was dropped.
    base: Option<Standing>,
    blocks: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
}

impl Kept {
    fn new(path: PathBuf, invoker: Invoker, length: Duration) -> Self {
        let (before, blocks) = (Before::default(), VecDeque::new());
        Self { path, invoker, length, opening: None, before, base: None, blocks, bytes: 0 }
    }

    fn listen(mut self, queue: &Receiver<ThreadMessage>, saved: &Sender<Saved>, counts: &SaveCounts) {
        for message in queue {
            match message {
                ThreadMessage::Block(raw) => self.block(&raw, Instant::now()),
                ThreadMessage::Save(save) => {
                    let path = self.unused_name(Timestamp::now());
                    let _ = saved.send(match self.save(&path, &save) {
                        Ok(bytes) => Saved::File { why: save.why, path, bytes },
                        Err(error) => {
                            counts.left.fetch_add(1, Ordering::Relaxed); // no file of it is there
                            Saved::Failed(error)
                        }
                    }); // nobody has to listen
                    counts.waiting.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn block(&mut self, raw: &[u8], now: Instant) {
        let block = pack(raw);
        if self.opening.is_none() {
            self.opening = Some(block);
            return;
        }
        self.bytes += block.len();
        self.blocks.push_back((now, block));
        while self.is_too_long(now) {
            self.drop_oldest();
        }
    }

    /// A part begins where the run stood: what was kept last is whole in any case.
    fn is_too_long(&self, now: Instant) -> bool {
        let is_old = |(at, _): &(Instant, Vec<u8>)| now.duration_since(*at) > self.length;
        self.blocks.len() > 1 && (self.bytes > MOST || self.blocks.front().is_some_and(is_old))
    }

    /// Until the run stands: what begins in the middle of a second would have no figures to begin with.
    fn drop_oldest(&mut self) {
        while let Some((_, block)) = self.blocks.pop_front() {
            self.bytes -= block.len();
            if self.fold(&block) {
                return;
            }
        }
    }

    /// Takes what it leaves behind; whether the run stands at its end.
    fn fold(&mut self, block: &[u8]) -> bool {
        let header = block.first_chunk::<HEADER>().and_then(Header::read);
        let raw = header.and_then(|header| header.unpack(&block[HEADER..])).unwrap_or_default();
        let mut stands = false;
        for record in Records::new(&raw).flatten() {
            stands = matches!(record, Record::Standing(_));
            match record {
                Record::Event(event) => self.before.fold(event),
                Record::Standing(standing) => self.base = Some(*standing),
                Record::Opening(_) | Record::Symbol(_) | Record::Base(_) => {}
            }
        }
        stands
    }

    /// Two rules may hold in one second.
    fn unused_name(&self, now: Timestamp) -> PathBuf {
        let names = (1..=1_000).map(|number| named(&self.path, now, number));
        // A link to nowhere is in the way too.
        names
            .into_iter()
            .find(|name| name.symlink_metadata().is_err())
            .unwrap_or_else(|| named(&self.path, now, 1))
    }

    /// The file has its name once it is whole, and on the disk.
    fn save(&self, path: &Path, save: &Save) -> Result<u64, OutputError> {
        let mut draft = Draft::create(&self.invoker, path)?;
        let mut written = 0;
        let mut append = |piece: &[u8]| {
            written += piece.len() as u64;
            draft.write(piece)
        };
        let opening = self.opening.as_deref().unwrap_or_default();
        append(&[&MAGIC[..], &VERSION.to_le_bytes(), opening].concat())?;
        if let Some(base) = &self.base {
            let before = self.before.clone().into_events();
            let raw = before.fold(Vec::new(), |raw, event| Borrowed::Event(&event).append_to(raw));
            append(&pack(&Borrowed::Base(base).append_to(Vec::new())))?;
            append(&pack(&raw))?;
        }
        for raw in &save.known {
            append(&pack(raw))?;
        }
        for (_, block) in &self.blocks {
            append(block)?;
        }
        append(&pack(&save.standing))?;
        draft.finish(&[])?;
        Ok(written)
    }
}

/// `shop-20261124T131502Z.trc`, and the second one `shop-20261124T131502Z-2.trc`
fn named(path: &Path, at: Timestamp, number: u32) -> PathBuf {
    let mut name = OsString::from(path.file_stem().unwrap_or_default());
    name.push(at.strftime("-%Y%m%dT%H%M%SZ").to_string());
    if number > 1 {
        name.push(format!("-{number}"));
    }
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::recording::samples::{opening, standing};

    fn block(pid: u32, at_ns: u64) -> Vec<u8> {
        let raw = Borrowed::Event(&Event::ChildAtStart { pid, ppid: 1 }).append_to(Vec::new());
        Borrowed::Standing(&Standing { at_ns, ended: None, ..standing() }).append_to(raw)
    }

    #[test]
    fn what_is_older_leaves_who_was_there() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("a.trc");
        let mut kept = Kept::new(path.clone(), Invoker::current(), Duration::from_secs(10));
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        kept.block(&Borrowed::Opening(&opening()).append_to(Vec::new()), at(0));
        for second in 1..=30 {
            kept.block(&block(second, second.into()), at(second.into()));
        }
        assert_eq!(kept.blocks.len(), 11);
        assert_eq!(kept.base.as_ref().map(|standing| standing.at_ns), Some(19));
        let last = Borrowed::Standing(&Standing { at_ns: 31, ..standing() }).append_to(Vec::new());
        let bytes = kept.save(&path, &Save { why: String::new(), known: vec![Vec::new()], standing: last });
        let file = std::fs::read(&path).unwrap();
        assert_eq!(bytes.unwrap(), file.len() as u64);
        let mut reader = crate::recording::Reader::new(&*file, crate::report::Name::new(b"a.trc")).unwrap();
        let (mut bases, mut children) = (Vec::new(), Vec::new());
        while let Some(raw) = reader.block().unwrap() {
            for record in Records::new(&raw) {
                match record.unwrap() {
                    Record::Base(base) => bases.push(base.at_ns),
                    Record::Event(Event::ChildAtStart { pid, .. }) => children.push(pid),
                    _ => {}
                }
            }
        }
        assert_eq!((bases, children), (vec![19], (1..=30).collect::<Vec<_>>()));
    }

    /// Each has all that ids stand for: a disk that does not answer would have us hold one more each second.
    #[test]
    fn one_save_waits_and_the_last() {
        let (messages, queue) = sync_channel(WAITING);
        let (saved, said) = channel();
        let counts = Arc::new(SaveCounts { left: AtomicU32::new(2), waiting: AtomicU32::new(0) });
        let mut recorder =
            FlightRecorder { path: "a.trc".into(), messages, saved, counts: counts.clone(), failed: false };
        let save = || Save { why: String::new(), known: Vec::new(), standing: Vec::new() };
        let are_enough =
            || said.try_iter().map(|said| matches!(said, Saved::LeftOut { are_enough: true, .. }));
        assert!(recorder.takes_save("a", false));
        recorder.save(save());
        assert!(!recorder.takes_save("b", false));
        assert_eq!(are_enough().collect::<Vec<_>>(), [false]);
        assert!(recorder.takes_save("the end", true));
        recorder.save(save());
        assert!(!recorder.takes_save("c", true));
        assert_eq!(are_enough().collect::<Vec<_>>(), [true]);
        assert_eq!(queue.try_iter().count(), 2);
    }

    #[test]
    fn files_have_the_time_in_their_names() {
        let at = "2026-11-24T13:15:02.7Z".parse().unwrap();
        for (path, number, expected) in [
            ("/srv/shop.trc", 1, "/srv/shop-20261124T131502Z.trc"),
            ("/srv/shop.trc", 3, "/srv/shop-20261124T131502Z-3.trc"),
            ("shop", 1, "shop-20261124T131502Z"),
        ] {
            assert_eq!(named(Path::new(path), at, number), Path::new(expected));
        }
    }
}
