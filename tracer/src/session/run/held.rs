//! Rows that were taken out of the maps, and whose names may still be in the ring buffer: they wait until it has been read
//! that far.

use std::collections::VecDeque;

use crate::event::Event;

/// What has been taken out, oldest first.
pub struct Held {
    /// With how much had been read then.
    rows: VecDeque<(u64, Vec<Event>)>,
    /// Bytes of messages, without what the ring buffer puts around each.
    read: u64,
    /// As many as there can be in the ring buffer at a time.
    ring_bytes: u64,
}

impl Held {
    /// Nothing yet, beside a ring buffer of this size.
    pub fn new(ring_bytes: u32) -> Self {
        Self { rows: VecDeque::new(), read: 0, ring_bytes: ring_bytes.into() }
    }

    /// These rows were taken out now: what they refer to has been sent.
    pub fn hold(&mut self, rows: Vec<Event>) {
        self.rows.push_back((self.read, rows));
    }

    /// A message was read.
    pub fn read(&mut self, bytes: usize) {
        self.read += bytes as u64;
    }

    /// Rows whose names have been read: all of them once the ring buffer was empty, and else those after which all that it
    /// can hold was read.
    pub fn next(&mut self, is_empty: bool) -> Option<Vec<Event>> {
        let Self { read, ring_bytes, .. } = *self;
        self.rows.pop_front_if(|(at, _)| is_empty || read - *at >= ring_bytes).map(|(_, rows)| rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_wait_until_what_was_sent_before_them_has_been_read() {
        let rows = |pid| vec![Event::ZombieAtEnd { pid }];
        let mut held = Held::new(1_000);
        held.hold(rows(1));
        assert_eq!(held.next(false), None, "nothing has been read since");
        held.read(600);
        held.hold(rows(2));
        held.read(399);
        assert_eq!(held.next(false), None);
        held.read(1);
        assert_eq!(
            (held.next(false), held.next(false)),
            (Some(rows(1)), None),
            "the ring buffer holds no more"
        );
        assert_eq!((held.next(true), held.next(true)), (Some(rows(2)), None), "it is empty");
    }
}
