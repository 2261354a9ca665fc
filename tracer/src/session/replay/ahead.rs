//! A recording is read, unpacked and checked by one thread, while another folds what is in it.

use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Builder};

use crate::recording::{Damage, ReadError, Reader, Record, Records};

/// Records that are handed over at a time. The smallest one of a made-up block is a byte there and some hundred here.
const BATCH: usize = 512;
/// Batches that wait at most.
const WAITING: usize = 8;

/// Some records, and what was damaged before the last of them.
type Batch = (Vec<Record>, Damage);

/// Hands out every record that a run can have written, in their order, until `take` wants no more; the others are counted.
/// What is damaged behind that does not count.
pub fn read<R: Read + Send>(
    recording: &mut Reader<R>,
    mut take: impl FnMut(Record) -> bool,
) -> Result<Damage, ReadError> {
    let path = recording.path().clone();
    let (sender, batches) = sync_channel(WAITING);
    thread::scope(|scope| {
        let reader = Builder::new().name("recording-reader".into());
        let reader = reader.spawn_scoped(scope, move || send(recording, &sender));
        let reader = reader.map_err(|cause| ReadError::Io { path: path.clone(), cause })?;
        let until = take_all(batches, &mut take); // the reader ends when nobody listens
        let read = reader.join().unwrap_or_else(|_| Err(ReadError::Contradiction { path }));
        read.map(|damage| until.unwrap_or(damage))
    })
}

/// The damage until there, if it has had enough.
fn take_all(batches: Receiver<Batch>, take: &mut impl FnMut(Record) -> bool) -> Option<Damage> {
    batches.into_iter().find_map(|(records, damage)| (!records.into_iter().all(&mut *take)).then_some(damage))
}

fn send<R: Read>(recording: &mut Reader<R>, batches: &SyncSender<Batch>) -> Result<Damage, ReadError> {
    while let Some(block) = recording.block()? {
        let mut records = Records::new(&block).peekable();
        while records.peek().is_some() {
            let mut batch = Vec::with_capacity(BATCH);
            for record in records.by_ref().take(BATCH) {
                match record.ok().filter(Record::is_possible) {
                    Some(record) => batch.push(record),
                    None => recording.damage.records += 1,
                }
            }
            if batches.send((batch, recording.damage)).is_err() {
                return Ok(recording.damage); // no more is wanted
            }
        }
    }
    Ok(recording.damage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::recording::of_block;
    use crate::report::Name;

    const COUNT: usize = 3 * BATCH + 7;

    /// So many records, and what is none.
    fn damaged() -> Vec<u8> {
        let one = postcard::to_allocvec(&Record::Event(Event::LoopsWatched)).unwrap();
        [one.repeat(COUNT), vec![0xff; 40]].concat()
    }

    fn taken(raw: &[u8], most: usize) -> (Result<Damage, ReadError>, usize) {
        let file = of_block(raw);
        let mut reader = Reader::new(&*file, Name::new(b"a.trc")).unwrap();
        let mut count = 0;
        let read = read(&mut reader, |_| {
            count += 1;
            count < most
        });
        (read, count)
    }

    #[test]
    fn every_record_is_handed_out_and_what_is_none_is_counted() {
        let (read, count) = taken(&damaged(), usize::MAX);
        assert_eq!((read.unwrap(), count), (Damage { records: 1, ..Damage::default() }, COUNT));
    }

    /// How far the reader is by then is chance: the report of a part must not depend on it.
    #[test]
    fn what_is_damaged_behind_the_end_does_not_count() {
        let raw = damaged();
        for most in [1, BATCH, BATCH + 1] {
            let (read, count) = taken(&raw, most);
            assert_eq!((read.unwrap(), count), (Damage::default(), most));
        }
    }
}
