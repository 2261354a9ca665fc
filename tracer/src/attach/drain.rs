//! Aggregates leave the kernel once a second: the epoch is turned, and the rows of the finished one are taken out.
//!
//! A row of a finished epoch is written by nobody, so that nothing is lost between reading and removing it.

use aya::Pod;
use aya::maps::{MapData, PerCpuHashMap};
use tracer_common::sample::{EntryKey, SampleKey};
use tracer_common::switch::{SwitchKey, SwitchValue, Thread, flag};
use tracer_common::syscall::{ReadKey, ReadValue, SizeKey, Tally};

use super::error::Error;
use super::probes::{Probes, take};
use crate::event::{Event, Reads};

/// The aggregates' maps.
pub struct Aggregates {
    switches: PerCpuHashMap<MapData, SwitchKey, SwitchValue>,
    reads: PerCpuHashMap<MapData, ReadKey, ReadValue>,
    sizes: PerCpuHashMap<MapData, SizeKey, u64>,
    samples: PerCpuHashMap<MapData, SampleKey, u64>,
    entries: PerCpuHashMap<MapData, EntryKey, u64>,
}

impl Aggregates {
    /// Takes the maps over.
    ///
    /// # Errors
    /// When they have been taken already.
    pub fn of(probes: &mut Probes) -> Result<Self, Error> {
        let ebpf = &mut probes.ebpf;
        Ok(Self {
            switches: take(ebpf, "SWITCHES", PerCpuHashMap::try_from)?,
            reads: take(ebpf, "READS", PerCpuHashMap::try_from)?,
            sizes: take(ebpf, "READ_SIZES", PerCpuHashMap::try_from)?,
            samples: take(ebpf, "SAMPLES", PerCpuHashMap::try_from)?,
            entries: take(ebpf, "ENTRIES", PerCpuHashMap::try_from)?,
        })
    }

    /// Ends the current epoch and takes out its rows.
    ///
    /// # Errors
    /// When the kernel refuses to switch epochs.
    pub fn drain(&mut self, probes: &mut Probes, events: &mut Vec<Event>) -> Result<(), Error> {
        let old = probes.next_epoch()?;
        rows(
            &mut self.switches,
            |key| key.epoch == old,
            add_switches,
            |key, value| {
                events.push(Event::Switches { key, value, still_blocked: 0 });
            },
        );
        rows(
            &mut self.reads,
            |key| key.epoch == old,
            add_reads,
            |key, value| {
                events.push(Event::Reads { key, value });
            },
        );
        rows(
            &mut self.sizes,
            |key| key.row.epoch == old,
            add_counts,
            |key, count| {
                events.push(Event::ReadSizes { key, count });
            },
        );
        rows(
            &mut self.samples,
            |key| key.epoch == old,
            add_counts,
            |key, count| {
                events.push(Event::Samples { key, count });
            },
        );
        rows(
            &mut self.entries,
            |key| key.epoch == old,
            add_counts,
            |key, count| {
                events.push(Event::Entries { key, count });
            },
        );
        Ok(())
    }
}

/// Takes out the rows of an epoch, each added up over the CPUs.
fn rows<K: Pod, V: Pod, S>(
    map: &mut PerCpuHashMap<MapData, K, V>,
    is_finished: impl Fn(&K) -> bool,
    add: impl Fn(&[V]) -> S,
    mut emit: impl FnMut(K, S),
) {
    let finished: Vec<K> = map.keys().flatten().filter(is_finished).collect();
    for key in finished {
        let Ok(values) = map.get(&key, 0) else { continue };
        emit(key, add(&values));
        let _ = map.remove(&key); // it is there: only we remove
    }
}

fn add_counts(values: &[u64]) -> u64 {
    values.iter().sum()
}

fn add_switches(values: &[SwitchValue]) -> SwitchValue {
    values.iter().fold(SwitchValue::default(), |sum, value| SwitchValue {
        count: sum.count + value.count,
        off_cpu_ns: sum.off_cpu_ns + value.off_cpu_ns,
        run_queue_ns: sum.run_queue_ns + value.run_queue_ns,
        on_cpu_ns: sum.on_cpu_ns + value.on_cpu_ns,
        began_before: sum.began_before + value.began_before,
        gil_waits: sum.gil_waits + value.gil_waits,
    })
}

fn add_reads(values: &[ReadValue]) -> Reads {
    let mut sum = Reads::default();
    for value in values.iter().filter(|value| value.calls > 0 || value.stack != 0) {
        sum.calls += value.calls;
        sum.bytes += value.bytes;
        sum.eof += value.eof;
        sum.stack = if sum.stack == 0 { value.stack } else { sum.stack };
        add_tallies(&mut sum.requested, &value.requested);
        add_tallies(&mut sum.returned, &value.returned);
        add_tallies(&mut sum.errors, &value.errors);
    }
    sum
}

fn add_tallies(sums: &mut Vec<(u32, u64)>, tallies: &[Tally]) {
    for tally in tallies.iter().filter(|tally| tally.count > 0) {
        match sums.iter_mut().find(|(what, _)| *what == tally.what) {
            Some((_, count)) => *count += u64::from(tally.count),
            None => sums.push((tally.what, tally.count.into())),
        }
    }
}

/// What every thread does at the end: gaps that are still open, and stretches on the CPU, clipped to the window.
#[must_use]
pub fn unfinished(probes: &Probes, started_ns: u64, ended_ns: u64) -> Vec<Event> {
    let threads = probes.threads.iter().flatten();
    threads.map(|(_, thread)| clipped(&thread, started_ns, ended_ns)).collect()
}

fn clipped(thread: &Thread, started_ns: u64, ended_ns: u64) -> Event {
    let mut key = thread.key;
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

    fn tally(what: u32, count: u32) -> Tally {
        Tally { what, count }
    }

    #[test]
    fn cpus_add_up() {
        let mut one = ReadValue { calls: 3, bytes: 30, eof: 1, ..ReadValue::default() };
        one.requested[..2].copy_from_slice(&[tally(16, 2), tally(64, 1)]);
        let mut two = ReadValue { calls: 1, bytes: 16, stack: 7, ..ReadValue::default() };
        two.requested[0] = tally(16, 1);
        let sum = add_reads(&[one, ReadValue::default(), two]);
        assert_eq!((sum.calls, sum.bytes, sum.eof, sum.stack), (4, 46, 1, 7));
        assert_eq!(sum.requested, [(16, 3), (64, 1)]);
    }

    #[test]
    fn what_is_open_at_the_end_is_clipped_to_the_window() {
        let asleep = |since_ns, runnable_ns| Thread { since_ns, runnable_ns, ..Thread::default() };
        for (name, thread, off_cpu_ns, run_queue_ns, began_before) in [
            ("slept throughout", asleep(0, 0), 100, 0, 1),
            ("fell asleep", asleep(160, 0), 40, 0, 0),
            ("waits for a CPU", asleep(160, 190), 40, 10, 0),
        ] {
            let Event::Switches { value, still_blocked, .. } = clipped(&thread, 100, 200) else {
                panic!("{name}")
            };
            let expected = SwitchValue { off_cpu_ns, run_queue_ns, began_before, ..SwitchValue::default() };
            assert_eq!((value, still_blocked), (expected, 1), "{name}");
        }
        let running = Thread { running: 1, since_ns: 150, ..Thread::default() };
        let Event::Switches { key, value, still_blocked } = clipped(&running, 100, 200) else {
            panic!("running")
        };
        assert_eq!((key.flags, value.on_cpu_ns, value.off_cpu_ns, still_blocked), (flag::RUNNING, 50, 0, 0));
    }
}
