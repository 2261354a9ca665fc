//! What blocks consist of.

use serde::{Deserialize, Serialize};

use super::standing::{Opening, Standing};
use crate::event::Event;
use crate::symbols::Entry;

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// How the run began.
    Opening(Box<Opening>),
    /// What an id stands for.
    Symbol(Entry),
    /// Something happened.
    Event(Event),
    /// How the run stands: all that was seen until then has been written.
    Standing(Box<Standing>),
    /// The recording begins here, in the middle of the run, which stood like this.
    Base(Box<Standing>),
}

impl Record {
    /// Whether a run can have written it: of others nothing is believed.
    pub fn is_possible(&self) -> bool {
        match self {
            Self::Opening(_) | Self::Symbol(_) => true,
            Self::Event(event) => event.is_possible(),
            Self::Standing(standing) | Self::Base(standing) => standing.is_possible(),
        }
    }
}

/// The same, of somebody else's values. The order of the variants is the format.
#[derive(Serialize)]
pub enum Borrowed<'a> {
    Opening(&'a Opening),
    Symbol(&'a Entry),
    Event(&'a Event),
    Standing(&'a Standing),
    Base(&'a Standing),
}

impl Borrowed<'_> {
    /// Appends it to a block.
    pub fn append_to(&self, raw: Vec<u8>) -> Vec<u8> {
        postcard::to_extend(self, raw).expect("memory takes all, and no value is of a kind that has no form")
    }
}

/// A block has something that is no record: what is before it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The records of an unpacked block.
pub struct Records<'a>(&'a [u8]);

impl<'a> Records<'a> {
    /// One after the other.
    #[must_use]
    pub fn new(raw: &'a [u8]) -> Self {
        Self(raw)
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let taken = postcard::take_from_bytes(self.0);
        self.0 = taken.as_ref().map_or(&[], |(_, rest)| rest);
        Some(taken.map(|(record, _)| record).map_err(|_| Malformed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Reads, Task};

    fn events() -> [Event; 3] {
        [
            Event::LoopsWatched,
            Event::ThreadName { task: Task { pid: 1, tid: u32::MAX }, comm: "\u{1b}[31m".into() },
            Event::Reads {
                key: Default::default(),
                value: Reads { calls: u64::MAX, errors: vec![(4, 1)], ..Reads::default() },
            },
        ]
    }

    #[test]
    fn a_record_is_what_was_written() {
        let events = events();
        let raw = events.iter().fold(Vec::new(), |raw, event| Borrowed::Event(event).append_to(raw));
        let read: Result<Vec<_>, _> = Records::new(&raw).collect();
        assert_eq!(read.unwrap(), events.map(Record::Event));
    }

    #[test]
    fn what_is_no_record_ends_the_block() {
        let raw = Borrowed::Event(&Event::LoopsWatched).append_to(Vec::new());
        let bad = [raw, vec![0xff; 40]].concat();
        let read: Vec<_> = Records::new(&bad).collect();
        assert_eq!(read, [Ok(Record::Event(Event::LoopsWatched)), Err(Malformed)]);
    }
}
