//! How the ring buffer is read: in passes, so that nothing else waits for long.

use std::time::{Duration, Instant};

use super::super::finish::Unread;
use super::Run;
use crate::attach::Error;
use crate::decode;

/// A reader that finds ever more messages lets others have a turn, the end above all.
const PASS: Duration = Duration::from_millis(20);
/// What is left in the ring buffer at the end is read for so long; the rest is counted. The whole command is to end
/// within a second.
const LAST_PASS: Duration = Duration::from_millis(400);

impl Run<'_> {
    /// Until then, or until the probes ask for a reader.
    pub(super) async fn wait(&mut self, next: Instant) -> Result<(), Error> {
        tokio::select! {
            woken = self.ring.readable_mut() => {
                if let Ok(mut woken) = woken {
                    woken.clear_ready();
                }
                Ok(())
            }
            woken = self.alarm.until(next) => woken.map_err(|error| Error::system("wait", &error)),
        }
    }

    /// Takes in what is in the ring buffer, as far as one pass comes.
    pub(super) fn read(&mut self) -> Result<(), Error> {
        let before = self.collector.listener.events;
        self.is_behind = !self.read_for(PASS)?;
        // Names and stacks, which most messages are, ask for nothing.
        if self.collector.listener.events > before {
            self.pace.hasten(Instant::now());
        }
        self.collector.listener.watch.caught_up();
        Ok(())
    }

    /// Whether the ring buffer was empty in time.
    fn read_for(&mut self, limit: Duration) -> Result<bool, Error> {
        let began = Instant::now();
        while let Some(message) = self.ring.get_mut().next() {
            self.collector.message(&self.probes.shown(&message)?);
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
            while let Some(message) = self.ring.get_mut().next() {
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
