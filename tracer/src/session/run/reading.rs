//! How the ring buffer is read: in passes, so that nothing else waits for long.

use std::time::{Duration, Instant};

use aya::maps::{MapData, RingBuf};
use tokio::io::unix::AsyncFd;

use super::Run;
use super::held::Held;
use super::pace::Pace;
use crate::attach::{Error, Probes};
use crate::clock::monotonic_ns;
use crate::decode;
use crate::event::Event;
use crate::recording::Unread;
use crate::sys::alarm::Alarm;
use crate::sys::readable;

/// A reader that finds ever more messages lets others have a turn, the end above all.
const PASS: Duration = Duration::from_millis(20);
/// What is left in the ring buffer at the end is read for so long; the rest is counted. The whole command is to end
/// within a second.
const LAST_PASS: Duration = Duration::from_millis(400);

/// How the ring buffer is read, and when.
pub struct RingReader {
    pub(super) ring: AsyncFd<RingBuf<MapData>>,
    pub(super) held: Held,
    pub(super) pace: Pace,
    alarm: Alarm,
    /// It was not empty when the reader let others have a turn.
    pub(super) is_behind: bool,
    /// Events that had been streamed when the maps were drained last.
    pub(super) drained_at_event: u64,
}

impl RingReader {
    /// Of these probes' buffer.
    pub(super) fn new(probes: &mut Probes) -> Result<Self, Error> {
        let wait = |error: std::io::Error| Error::system("wait for events", &error);
        let ring = readable::ring(probes.events()?).map_err(wait)?;
        let alarm = Alarm::new().map_err(|error| Error::system("make a timer", &error))?;
        let (held, pace) = (Held::new(probes.plan().ring_bytes), Pace::new(Instant::now()));
        Ok(Self { ring, held, pace, alarm, is_behind: false, drained_at_event: 0 })
    }

    /// The window begins now: something happens.
    pub(super) fn begin(&mut self, now: Instant) {
        self.pace = Pace::new(now);
    }
}

impl Run<'_> {
    /// Until then, or until the probes ask for a reader.
    pub(super) async fn wait(&mut self, next: Instant) -> Result<(), Error> {
        tokio::select! {
            woken = self.reader.ring.readable_mut() => {
                if let Ok(mut woken) = woken {
                    woken.clear_ready();
                }
                Ok(())
            }
            woken = self.reader.alarm.until(next) => woken.map_err(|error| Error::system("wait", &error)),
        }
    }

    /// Takes in what is in the ring buffer, as far as one pass comes.
    pub(super) fn read(&mut self) -> Result<(), Error> {
        let before = self.collector.listener.events;
        let is_empty = self.read_for(PASS)?;
        self.reader.is_behind = !is_empty;
        while let Some(mut rows) = self.reader.held.next(is_empty) {
            self.probes.show_rows(&mut rows)?;
            rows.into_iter().for_each(|row| self.collector.event(row));
        }
        // Names and stacks, which most messages are, ask for nothing.
        if self.collector.listener.events > before {
            self.reader.pace.poll_faster(Instant::now());
        }
        self.collector.listener.watch.caught_up();
        self.record_if_much()?;
        Ok(())
    }

    /// Takes the rows out of the maps. Names come before the rows that use them.
    pub(super) fn drain(&mut self) -> Result<(), Error> {
        let mut rows = Vec::new();
        self.reader.drained_at_event = self.collector.listener.events;
        self.tables.aggregates.drain(&mut self.probes, &mut rows)?;
        rows.push(Event::Drained { at: monotonic_ns().saturating_sub(self.begin.start_ns) });
        self.reader.held.hold(rows);
        self.read()
    }

    /// Whether the ring buffer was empty in time.
    fn read_for(&mut self, limit: Duration) -> Result<bool, Error> {
        let began = Instant::now();
        while let Some(message) = self.reader.ring.get_mut().next() {
            self.collector.message(&self.probes.shown(&message)?);
            self.reader.held.read(message.len());
            if began.elapsed() >= limit {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads what is left, and counts what cannot be read in time.
    pub(super) fn read_rest(&mut self) -> Result<Unread, Error> {
        let mut unread = Unread::default();
        if !self.read_for(LAST_PASS)? {
            while let Some(message) = self.reader.ring.get_mut().next() {
                if decode::is_record(&message) {
                    unread.records += 1;
                } else {
                    *unread.events.entry(decode::kind(&message)).or_default() += 1;
                }
            }
        }
        Ok(unread)
    }
}
