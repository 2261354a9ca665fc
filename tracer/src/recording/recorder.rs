//! Puts records into blocks as a run makes them.

use super::block::LARGEST;
use super::record::Borrowed;
use super::standing::{Opening, Standing};
use crate::event::Event;
use crate::report::Ended;
use crate::symbols::Entry;

/// A block is ended before it has more than that: so much may be lost of what was seen, and of memory while it is made.
const FULL: usize = 1 << 20;
/// It is ended whatever comes next: a record is never larger than what is left then.
const SPLIT: usize = LARGEST / 4;

/// Where blocks go.
pub trait Sink {
    /// One more, not packed.
    fn block(&mut self, raw: Vec<u8>);
    /// There is to be a save for this reason, perhaps the last: whether there is room for one more.
    fn takes_save(&mut self, _why: &str, _is_last: bool) -> bool {
        true
    }
    /// What is kept is to be saved; who keeps all has saved it already.
    fn save(&mut self, save: Save) {
        drop(save);
    }
    /// No more can be kept.
    fn has_failed(&self) -> bool;
}

/// What is written when the last part of a run is saved.
pub struct Save {
    /// For a person.
    pub why: String,
    /// Blocks of all that ids stand for, not packed.
    pub known: Vec<Vec<u8>>,
    /// One of how the run stands.
    pub standing: Vec<u8>,
}

/// Records a run.
pub struct Recorder {
    sink: Box<dyn Sink>,
    /// Events since the run stood.
    events: Vec<u8>,
}

impl Recorder {
    /// Into this.
    #[must_use]
    pub fn new(sink: Box<dyn Sink>) -> Self {
        Self { sink, events: Vec::new() }
    }

    /// The run has begun.
    pub fn open(&mut self, opening: &Opening) {
        self.sink.block(Borrowed::Opening(opening).append_to(Vec::new()));
    }

    /// Something happened.
    pub fn event(&mut self, event: &Event) {
        let events = std::mem::take(&mut self.events);
        self.events = Borrowed::Event(event).append_to(events);
        if self.events.len() >= SPLIT {
            self.sink.block(std::mem::take(&mut self.events));
        }
    }

    /// So much has happened that it is time to write how the run stands.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.events.len() >= FULL
    }

    /// How the run stands, and what was learnt since it stood last.
    pub fn stand(&mut self, entries: &[Entry], standing: &Standing) {
        let mut raw = Vec::new();
        for entry in entries {
            raw = self.append(raw, &Borrowed::Symbol(entry));
        }
        if raw.len() + self.events.len() > LARGEST / 2 {
            self.sink.block(std::mem::take(&mut raw));
        }
        raw.append(&mut self.events);
        self.sink.block(Borrowed::Standing(standing).append_to(raw));
    }

    /// Saves what is kept, where that is only the last part of the run: all that ids stand for, and how the run stands.
    pub fn save(&mut self, why: String, known: impl Iterator<Item = Entry>, standing: &Standing) {
        if !self.sink.takes_save(&why, standing.ended != Some(Ended::Saved)) {
            return;
        }
        let mut blocks = vec![Vec::new()];
        for entry in known {
            let raw = blocks.pop().unwrap_or_default();
            blocks.push(Borrowed::Symbol(&entry).append_to(raw));
            if blocks.last().is_some_and(|raw| raw.len() >= FULL) {
                blocks.push(Vec::new());
            }
        }
        let standing = Borrowed::Standing(standing).append_to(Vec::new());
        self.sink.save(Save { why, known: blocks, standing });
    }

    /// No more can be kept.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.sink.has_failed()
    }

    fn append(&mut self, raw: Vec<u8>, record: &Borrowed<'_>) -> Vec<u8> {
        let raw = record.append_to(raw);
        if raw.len() < SPLIT {
            return raw;
        }
        self.sink.block(raw);
        Vec::new()
    }
}
