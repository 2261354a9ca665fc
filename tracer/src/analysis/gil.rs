//! The GIL: what waiting for it cost, which threads held it meanwhile, and which slept with it in hand.
//!
//! How long a thread held it is exact. At which lines it ran meanwhile is known from samples.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use tracer_common::switch::flag;

use super::causes::{cause, syscall_name};
use super::lines;
use super::sums::{Key, Sums};
use super::switch_sum::{SwitchSum, is_voluntary};
use super::switches::Switches;
use crate::event::{Event, HoldRow, Nanos, Pid, SampleRow, StackStatus, SwitchRow, Task, Tid};
use crate::report::{self, BlockedHolder, Bounded, GilHolder};
use crate::symbols::{FrameId, Symbols};

/// A thread with fewer samples does not say at which lines it ran.
const ENOUGH: u64 = 10;
/// Different holders and lines that are kept apart.
const ROWS: usize = 8_192;

/// Why holders may not be known.
const NOT_SAID: &str = "CPython 2.7 does not say who holds the GIL";

/// Time in which threads waited for a GIL, by its holder.
#[derive(Debug)]
pub struct Gil {
    rows: Sums<HoldRow, Nanos>,
    /// Samples of threads that ran with the GIL while others waited for it.
    ran: Sums<SampleRow, u64>,
    /// There is a GIL whose waits are distinguished from others.
    known: bool,
    /// There is one of which the holder is known.
    holders_known: bool,
}

impl Default for Gil {
    fn default() -> Self {
        Self { rows: Sums::new(ROWS), ran: Sums::new(ROWS), known: false, holders_known: false }
    }
}

impl Gil {
    /// Adds the rows of one drain.
    pub fn fold(&mut self, event: &Event) {
        match event {
            Event::Process(process) => {
                self.known |= process.gil;
                self.holders_known |= process.gil_holder;
            }
            Event::GilHeld { key, waited_ns } => *self.rows.row(*key) += waited_ns,
            Event::Samples { key, count, keeps_others_waiting: true } => {
                *self.ran.row(SampleRow { status: StackStatus::Ok, truncated: false, ..*key }) += count;
            }
            _ => {}
        }
    }

    /// The section of the report; `None` where no process has a GIL that is known.
    pub fn finish(&self, symbols: &Symbols, switches: &Switches) -> Option<report::Gil> {
        let waits = || switches.rows().filter(|(key, _)| key.flags & flag::GIL != 0 && is_voluntary(key));
        let total = |of: fn(&SwitchSum) -> u64| waits().map(|(_, sum)| of(sum)).sum();
        self.known.then(|| report::Gil {
            wait_ns: total(|sum| sum.off_cpu_ns),
            waits: total(|sum| sum.gil_waits),
            switches: total(|sum| sum.count),
            holders: self.holders(symbols),
            blocked_while_held: self.blocked(symbols, switches),
            holders_unknown: (!self.holders_known).then(|| NOT_SAID.to_owned()),
        })
    }

    fn holders(&self, symbols: &Symbols) -> Bounded<GilHolder> {
        let by_line = pooled(self.by_thread(symbols)).into_iter().flat_map(|(pid, held)| {
            let lines = held.by_line().into_iter();
            lines.map(|(line, ns)| ((pid, held.holder_at(line), line), ns)).collect::<Vec<_>>()
        });
        let mut ranked: Vec<_> = by_line.collect();
        ranked.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
        let rows = ranked.into_iter().map(|((pid, (tid, threads), line), ns)| GilHolder {
            pid,
            tid,
            threads,
            frame: line.map(|line| lines::frame(symbols, line)),
            held_while_others_waited_ns: ns,
        });
        rows.collect()
    }

    fn by_thread(&self, symbols: &Symbols) -> HashMap<Task, HeldTime> {
        let mut threads = HashMap::<_, HeldTime>::new();
        for (key, ns) in self.rows.iter() {
            let held = threads.entry(key.task).or_default();
            *held.threads.entry(key.task.tid).or_default() += ns;
            match key.site.code {
                0 => held.ran_ns += ns,
                _ => {
                    let line = lines::site(symbols, key.space, &key.site);
                    *held.away.entry(line).or_default() += ns;
                    held.seen.entry(line).or_default().insert(key.task.tid);
                }
            }
        }
        for (key, count) in self.ran.iter() {
            if let Some(held) = threads.get_mut(&key.task) {
                let line = symbols.leaf(key.stack);
                *held.samples.entry(line).or_default() += count;
                held.seen.entry(line).or_default().insert(key.task.tid);
            }
        }
        threads
    }

    /// The threads that went to sleep with the GIL in hand. A thread that others stop does not sleep.
    fn blocked(&self, symbols: &Symbols, switches: &Switches) -> Bounded<BlockedHolder> {
        let with_gil = |key: &SwitchRow| {
            let flags = key.flags & (flag::HOLDS_GIL | flag::GIL | flag::STOPPED);
            flags == flag::HOLDS_GIL && is_voluntary(key)
        };
        let mut merged = BTreeMap::<_, (u64, Nanos)>::new();
        for (key, sum) in switches.rows().filter(|(key, _)| with_gil(key)) {
            let file = symbols.file(key.object);
            let cause = cause(key, file.map(|file| file.kind));
            let path = file.map(|file| file.path.clone());
            let row =
                merged.entry((key.task.pid, cause, key.syscall, path, symbols.leaf(key.stack))).or_default();
            *row = (row.0 + sum.count, row.1 + sum.off_cpu_ns);
        }
        let waited = self.waited_for(symbols);
        let rows = merged.into_iter().map(|((pid, cause, syscall, path, line), (count, off_cpu_ns))| {
            BlockedHolder {
                pid,
                cause,
                syscall: syscall.and_then(|call: u32| syscall_name(call.into())).map(Into::into),
                object: path.as_ref().map(report::Name::new),
                frame: line.map(|line| lines::frame(symbols, line)),
                count,
                off_cpu_ns,
                others_waited_ns: off_cpu_ns.min(waited.get(&(pid, line)).copied().unwrap_or(0)),
            }
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|row| Reverse((row.others_waited_ns, row.off_cpu_ns)));
        rows.into()
    }

    /// How long others waited for a thread that was off its CPU at a line.
    fn waited_for(&self, symbols: &Symbols) -> HashMap<(Pid, Option<FrameId>), Nanos> {
        let mut waited = HashMap::new();
        for (key, ns) in self.rows.iter().filter(|(key, _)| key.site.code != 0) {
            let line = lines::site(symbols, key.space, &key.site);
            *waited.entry((key.task.pid, line)).or_default() += ns;
        }
        waited
    }
}

/// Takes the threads of a process together that have few samples each, as those of a server with a thread a request: all
/// of them say what none says.
fn pooled(threads: HashMap<Task, HeldTime>) -> Vec<(Pid, HeldTime)> {
    let mut groups = Vec::new();
    let mut pools = HashMap::<Pid, HeldTime>::new();
    for (Task { pid, .. }, held) in threads {
        if held.samples.values().sum::<u64>() >= ENOUGH {
            groups.push((pid, held));
        } else {
            pools.entry(pid).or_default().add(held);
        }
    }
    groups.extend(pools);
    groups
}

/// How long threads held the GIL while others waited.
#[derive(Debug, Default)]
struct HeldTime {
    /// Each of them.
    threads: BTreeMap<Tid, Nanos>,
    /// On a CPU.
    ran_ns: Nanos,
    /// Which lines ran meanwhile.
    samples: BTreeMap<Option<FrameId>, u64>,
    /// Off its CPU, by the line that it left at.
    away: BTreeMap<Option<FrameId>, Nanos>,
    /// Which threads were seen at a line.
    seen: BTreeMap<Option<FrameId>, BTreeSet<Tid>>,
}

impl HeldTime {
    fn add(&mut self, other: Self) {
        self.threads.extend(other.threads);
        self.ran_ns += other.ran_ns;
        other.samples.into_iter().for_each(|(line, count)| *self.samples.entry(line).or_default() += count);
        other.away.into_iter().for_each(|(line, ns)| *self.away.entry(line).or_default() += ns);
        other.seen.into_iter().for_each(|(line, tids)| self.seen.entry(line).or_default().extend(tids));
    }

    /// How many threads were seen at a line, and which of them held the GIL for longest; all of them at none.
    fn holder_at(&self, line: Option<FrameId>) -> (Tid, u64) {
        let seen = self.seen.get(&line).filter(|_| line.is_some());
        let is_there = |tid: &Tid| seen.is_none_or(|seen| seen.contains(tid));
        let threads = || self.threads.iter().filter(|(tid, _)| is_there(tid));
        let longest = threads().max_by_key(|(_, ns)| **ns).map_or(0, |(tid, _)| *tid);
        (longest, threads().count() as u64)
    }

    /// The time on a CPU is shared out by the samples that fell into it; without any its line is not known. The sum is
    /// that of the times, to the nanosecond.
    fn by_line(&self) -> BTreeMap<Option<FrameId>, Nanos> {
        let mut lines = self.away.clone();
        let all: u64 = self.samples.values().sum();
        let (mut seen, mut given) = (0, 0);
        for (&line, count) in &self.samples {
            seen += count;
            let up_to = (u128::from(self.ran_ns) * u128::from(seen) / u128::from(all)) as Nanos;
            *lines.entry(line).or_default() += up_to - given;
            given = up_to;
        }
        *lines.entry(None).or_default() += self.ran_ns - given;
        lines.retain(|_, ns| *ns > 0);
        lines
    }
}

/// First the holder's line is forgotten, then the thread, then the process.
impl Key for HoldRow {
    fn coarser(self) -> Option<Self> {
        let Task { pid, tid } = self.task;
        let task = match (self.site.code, tid) {
            (1.., _) => self.task,
            (0, 1..) => Task { pid, tid: 0 },
            _ => Task::default(),
        };
        let coarser = Self { task, ..Self::default() };
        (coarser != self).then_some(coarser)
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::python::Frame;

    use super::*;
    use crate::analysis::samples::{process, symbols_of, task};
    use crate::event::{ProcessDescription, SpaceId, StackId};

    fn held(tid: u32, code: u64, waited_ns: Nanos) -> Event {
        let site = Frame { code, instruction: 0, identity: 0 };
        let key = HoldRow { task: task(7, tid), site, space: SpaceId(1) };
        Event::GilHeld { key, waited_ns }
    }

    fn ran(tid: u32, stack: u64, count: u64, keeps_others_waiting: bool) -> Event {
        let key = SampleRow { task: task(7, tid), stack: StackId(stack), ..SampleRow::default() };
        Event::Samples { key, count, keeps_others_waiting }
    }

    fn holders(events: &[Event]) -> Vec<(u32, Option<u32>, Nanos)> {
        let mut gil = Gil::default();
        gil.fold(&Event::Process(ProcessDescription { gil: true, gil_holder: true, ..process(7, "main") }));
        events.iter().for_each(|event| gil.fold(event));
        let symbols = symbols_of(&[(1, &["a.py:1", "a.py:9"]), (2, &["a.py:2"])]);
        let section = gil.finish(&symbols, &Switches::default()).expect("there is a GIL");
        let line = |row: &GilHolder| row.frame.as_ref().and_then(|frame| frame.line);
        let rows = section.holders.rows.iter();
        rows.map(|row| (row.tid, line(row), row.held_while_others_waited_ns)).collect()
    }

    #[test]
    fn time_on_a_cpu_belongs_to_the_lines_that_ran() {
        for (name, events, expected) in [
            ("one line", vec![held(8, 0, 100), ran(8, 1, 3, true)], vec![(8, Some(1), 100)]),
            (
                "two lines, nothing lost by rounding",
                vec![held(8, 0, 100), ran(8, 1, 2, true), ran(8, 2, 1, true)],
                vec![(8, Some(1), 66), (8, Some(2), 34)],
            ),
            ("no thread waited", vec![held(8, 0, 100), ran(8, 1, 3, false)], vec![(8, None, 100)]),
            (
                "no sample of a thread that held it",
                vec![held(8, 0, 5), ran(9, 1, 3, true)],
                vec![(8, None, 5)],
            ),
            (
                "a thread a request: together they have samples",
                vec![held(8, 0, 60), held(9, 0, 40), ran(8, 1, 3, true)],
                vec![(8, Some(1), 100)],
            ),
            (
                "a thread with samples stays apart",
                vec![held(8, 0, 60), held(9, 0, 40), ran(8, 1, 30, true), ran(9, 2, 1, true)],
                vec![(8, Some(1), 60), (9, Some(2), 40)],
            ),
            ("a sample and no wait", vec![ran(8, 1, 3, true)], vec![]),
        ] {
            assert_eq!(holders(&events), expected, "{name}");
        }
    }

    #[test]
    fn time_off_the_cpu_stays_apart_from_what_samples_share_out() {
        // No code object 77 is known: a line that has no name.
        let events = [held(8, 0, 100), held(8, 77, 40), ran(8, 2, 1, true)];
        assert_eq!(holders(&events), [(8, Some(2), 100), (8, None, 40)]);
    }

    #[test]
    fn a_line_has_the_threads_that_were_seen_there() {
        let events =
            [held(8, 0, 60), held(9, 0, 40), held(10, 0, 1), ran(9, 1, 3, true), ran(10, 1, 1, true)];
        let mut gil = Gil { known: true, ..Gil::default() };
        events.iter().for_each(|event| gil.fold(event));
        let section = gil.finish(&symbols_of(&[(1, &["a.py:1"])]), &Switches::default()).expect("a GIL");
        let rows: Vec<_> = section.holders.rows.iter().map(|row| (row.tid, row.threads)).collect();
        assert_eq!(rows, [(9, 2)]);
    }
}
