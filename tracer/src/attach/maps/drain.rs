//! Aggregates leave the kernel once a second: the epoch is turned, and the rows of the finished one are taken out.
//!
//! A row of a finished epoch is written by nobody, so that nothing is lost between reading and removing it.

use aya::Pod;
use aya::maps::{HashMap, MapData};
use tracer_common::control::is_of_epoch;
use tracer_common::gil::HoldKey;
use tracer_common::python::status;
use tracer_common::sample::{EntryKey, SampleKey};
use tracer_common::switch::{SwitchKey, SwitchValue, Thread, flag};
use tracer_common::syscall::{ReadKey, ReadValue, SizeKey, Tally, size_of_code};
use tracer_common::wakeup::WakeKey;

use crate::attach::by_name::take;
use crate::attach::error::Error;
use crate::attach::probes::Probes;
use crate::event::{Event, Reads, StackId, SwitchRow};
use crate::sys::batch;

/// The aggregates' maps.
pub struct Aggregates {
    switches: HashMap<MapData, SwitchKey, SwitchValue>,
    wakeups: HashMap<MapData, WakeKey, u64>,
    holds: HashMap<MapData, HoldKey, u64>,
    reads: HashMap<MapData, ReadKey, ReadValue>,
    sizes: HashMap<MapData, SizeKey, u64>,
    samples: HashMap<MapData, SampleKey, u64>,
    entries: HashMap<MapData, EntryKey, u64>,
}

impl Aggregates {
    /// Takes the maps over.
    ///
    /// # Errors
    /// When they have been taken already.
    pub fn new(probes: &mut Probes) -> Result<Self, Error> {
        let ebpf = &mut probes.ebpf;
        Ok(Self {
            switches: take(ebpf, "SWITCHES", HashMap::try_from)?,
            wakeups: take(ebpf, "WAKEUPS", HashMap::try_from)?,
            holds: take(ebpf, "HOLDS", HashMap::try_from)?,
            reads: take(ebpf, "READS", HashMap::try_from)?,
            sizes: take(ebpf, "READ_SIZES", HashMap::try_from)?,
            samples: take(ebpf, "SAMPLES", HashMap::try_from)?,
            entries: take(ebpf, "ENTRIES", HashMap::try_from)?,
        })
    }

    /// Ends the current epoch and takes out its rows. Their processes and threads have the kernel's numbers: once the
    /// ring buffer has been read, [`Probes::show_rows`] knows ours.
    ///
    /// # Errors
    /// When the kernel refuses to switch epochs, or to list the rows.
    pub fn drain(&mut self, probes: &mut Probes, events: &mut Vec<Event>) -> Result<(), Error> {
        let old = probes.next_epoch()?;
        for (key, value) in rows(&mut self.switches, old)? {
            events.push(Event::Switches { key: key.into(), value, still_blocked: 0 });
        }
        for (key, count) in rows(&mut self.wakeups, old)? {
            events.push(Event::Wakeups { key: key.into(), count });
        }
        for (key, waited_ns) in rows(&mut self.holds, old)? {
            events.push(Event::GilHeld { key: key.into(), waited_ns });
        }
        for (key, value) in rows(&mut self.reads, old)? {
            events.push(Event::Reads { key: key.into(), value: Reads::from(&value) });
        }
        for (key, count) in rows(&mut self.sizes, old)? {
            events.push(Event::ReadSizes { key: key.row.into(), figure: (&key).into(), count });
        }
        for (key, count) in rows(&mut self.samples, old)? {
            events.push(samples(key, count));
        }
        for (key, count) in rows(&mut self.entries, old)? {
            events.push(Event::Entries { key: key.into(), count });
        }
        Ok(())
    }
}

fn samples(key: SampleKey, count: u64) -> Event {
    let keeps_others_waiting = key.status & status::KEEPS_OTHERS_WAITING != 0;
    let key = SampleKey { status: key.status & !status::KEEPS_OTHERS_WAITING, ..key };
    Event::Samples { key: key.into(), count, keeps_others_waiting }
}

/// The key of a row that is one of several in the kernel: see `tracer_common::control::slice`.
trait DrainedKey: Pod {
    fn slice(&mut self) -> &mut u32;
}

macro_rules! keys {
    ($($key:ty: $($slice:ident).+;)+) => {$(
        impl DrainedKey for $key {
            fn slice(&mut self) -> &mut u32 {
                &mut self.$($slice).+
            }
        }
    )+};
}
keys! {
    SwitchKey: slice;
    WakeKey: row.slice;
    HoldKey: slice;
    ReadKey: slice;
    SizeKey: row.slice;
    SampleKey: slice;
    EntryKey: slice;
}

/// Takes out the rows of an epoch.
fn rows<K: DrainedKey, V: Pod>(map: &mut HashMap<MapData, K, V>, epoch: u32) -> Result<Vec<(K, V)>, Error> {
    let taken = batch::take(map, |&(mut key)| is_of_epoch(*key.slice(), epoch));
    taken.map_err(|error| Error::system("read what the probes have counted", &error))
}

impl From<&ReadValue> for Reads {
    fn from(value: &ReadValue) -> Self {
        Self {
            calls: value.calls,
            bytes: value.bytes,
            eof: value.eof,
            continued: value.continued,
            full: value.full,
            opens: value.opens,
            opens_unknown: value.opens_unknown,
            own: value.own,
            stack: StackId(value.stack),
            into: value.into,
            requested: sizes(&value.requested),
            returned: sizes(&value.returned),
            errors: tallies(&value.errors),
        }
    }
}

fn sizes(slots: &[Tally]) -> Vec<(u64, u64)> {
    tallies(slots).into_iter().map(|(code, count)| (size_of_code(code), count)).collect()
}

fn tallies(slots: &[Tally]) -> Vec<(u32, u64)> {
    let used = slots.iter().filter(|tally| tally.count > 0);
    used.map(|tally| (tally.what, tally.count.into())).collect()
}

/// What every thread does at the end: gaps that are still open, and stretches on the CPU, clipped to the window.
///
/// # Errors
/// When the kernel does not list the tasks of our pid namespace.
pub fn unfinished(probes: &mut Probes, started_ns: u64, ended_ns: u64) -> Result<Vec<Event>, Error> {
    let threads = probes.threads.iter().flatten();
    let mut rows: Vec<_> = threads.map(|(_, thread)| clipped(&thread, started_ns, ended_ns)).collect();
    probes.show_rows(&mut rows)?;
    Ok(rows)
}

fn clipped(thread: &Thread, started_ns: u64, ended_ns: u64) -> Event {
    let mut key = SwitchRow::from(thread.key);
    let since = if thread.since_ns == 0 { started_ns } else { thread.since_ns };
    let lasted = ended_ns.saturating_sub(since);
    if thread.running == 1 {
        key.flags |= flag::RUNNING;
        return Event::Switches {
            key,
            value: SwitchValue { on_cpu_ns: lasted, ..Default::default() },
            still_blocked: 0,
        };
    }
    let queued =
        if thread.runnable_ns == 0 { 0 } else { ended_ns.saturating_sub(thread.runnable_ns.max(since)) };
    let value = SwitchValue {
        off_cpu_ns: lasted,
        run_queue_ns: queued,
        began_before: u64::from(thread.since_ns == 0),
        ..Default::default()
    };
    Event::Switches { key, value, still_blocked: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_at_the_end_is_clipped_to_the_window() {
        let of_epoch = Thread { key: SwitchKey { slice: 9, ..SwitchKey::default() }, ..Thread::default() };
        let asleep = |since_ns, runnable_ns| Thread { since_ns, runnable_ns, ..of_epoch };
        for (name, thread, off_cpu_ns, run_queue_ns, began_before) in [
            ("slept throughout", asleep(0, 0), 100, 0, 1),
            ("fell asleep", asleep(160, 0), 40, 0, 0),
            ("waits for a CPU", asleep(160, 190), 40, 10, 0),
        ] {
            let Event::Switches { key, value, still_blocked } = clipped(&thread, 100, 200) else {
                panic!("{name}")
            };
            let expected = SwitchValue { off_cpu_ns, run_queue_ns, began_before, ..SwitchValue::default() };
            assert_eq!(
                (key, value, still_blocked),
                (SwitchRow::from(SwitchKey::default()), expected, 1),
                "{name}"
            );
        }
        let running = Thread { running: 1, since_ns: 150, ..Thread::default() };
        let Event::Switches { key, value, still_blocked } = clipped(&running, 100, 200) else {
            panic!("running")
        };
        assert_eq!((key.flags, value.on_cpu_ns, value.off_cpu_ns, still_blocked), (flag::RUNNING, 50, 0, 0));
    }
}
