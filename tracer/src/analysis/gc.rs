//! Pauses of the garbage collector, by generation and by the line that set them off.
//!
//! A process whose collector has probes reports each collection. Of another one samples give lower bounds: a
//! collection lasted from the first sample that fell into it to the last one at least, and those without a sample are
//! not counted.
//!
//! ```text
//!  collections   ───████████████████──────█──────────██████──
//!  samples       ·    ·    ·    ·    ·    ·    ·    ·    ·
//!  counted            |─────────|                   |
//! ```

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::lines;
use super::sums::{Key, Sums};
use crate::event::{Event, Exit, GcCounted, GcPause, GcSeen, Nanos, Pid, StackId, Task};
use crate::report::{self, GcCollections, GcMethod, GcPauses};
use crate::symbols::{FrameId, Symbols};

/// Different processes, generations and stacks that are kept apart.
const ROWS: usize = 4_096;

/// All collections.
#[derive(Debug)]
pub struct Gc {
    probed: HashSet<Pid>,
    /// Some process has probes, or had.
    any_probed: bool,
    /// Some process is seen by samples only, or was.
    sampled: bool,
    rows: Sums<CollectedRow, PauseSum>,
    /// What the collectors count themselves.
    counted: Sums<Generation, CountedRow>,
    /// What the last sample of each thread fell into.
    open: HashMap<Task, OpenPause>,
}

/// What makes two collections the same row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct CollectedRow {
    pid: Pid,
    generation: Option<u32>,
    stack: StackId,
    sampled: bool,
}

/// Of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Generation {
    pid: Pid,
    generation: u32,
}

/// What its collections add up to.
#[derive(Clone, Copy, Debug, Default)]
struct CountedRow {
    count: u64,
    collected: u64,
    at_least: bool,
}

/// What a row adds up to.
#[derive(Clone, Debug, Default)]
struct PauseSum {
    count: u64,
    total: Nanos,
    longest: Nanos,
    /// Where the longest one was set off.
    stack: StackId,
    collected: Option<u64>,
    waiters: Option<u64>,
}

/// A collection that a sample has fallen into.
#[derive(Clone, Copy, Debug)]
struct OpenPause {
    number: Option<u64>,
    stack: StackId,
    first: Nanos,
    last: Nanos,
}

impl Default for Gc {
    fn default() -> Self {
        let (probed, open) = (HashSet::new(), HashMap::new());
        let (rows, counted) = (Sums::new(ROWS), Sums::new(ROWS));
        Self { probed, any_probed: false, sampled: false, rows, counted, open }
    }
}

impl Gc {
    /// Takes collections, and samples that fell into one.
    pub fn fold(&mut self, event: &Event) {
        match *event {
            Event::Collections { pid, seen, .. } => self.seen(pid, seen),
            Event::GcPause(ref pause) => self.pause(pause),
            Event::GcCounted(ref counted) => self.count(counted),
            Event::Exit(ref exit) => self.exit(exit),
            Event::GcSample { at, task, stack, number } if !self.probed.contains(&task.pid) => {
                self.sample(at, task, stack, number);
            }
            _ => {}
        }
    }

    /// Nothing more comes of it.
    fn exit(&mut self, exit: &Exit) {
        if let Some(ended) = self.open.remove(&exit.task) {
            self.end(exit.task, ended);
        }
        if exit.last_thread {
            self.probed.remove(&exit.task.pid);
        }
    }

    fn seen(&mut self, pid: Pid, seen: GcSeen) {
        self.any_probed |= seen == GcSeen::Probed;
        match seen {
            GcSeen::Probed => _ = self.probed.insert(pid),
            GcSeen::Sampled | GcSeen::No => _ = self.probed.remove(&pid),
        }
        self.sampled |= seen == GcSeen::Sampled;
    }

    fn pause(&mut self, pause: &GcPause) {
        let GcPause { task, generation, stack, lasted, .. } = *pause;
        let row = self.rows.row(CollectedRow { pid: task.pid, generation, stack, sampled: false });
        row.add(lasted, stack);
        row.collected =
            pause.collected.map(|collected| row.collected.unwrap_or(0) + collected).or(row.collected);
        row.waiters = row.waiters.max(pause.waiters.map(u64::from));
    }

    fn count(&mut self, of: &GcCounted) {
        let sum = self.counted.row(Generation { pid: of.pid, generation: of.generation });
        sum.count += of.collections;
        sum.collected += of.collected;
        sum.at_least |= of.at_least;
    }

    fn sample(&mut self, at: Nanos, task: Task, stack: StackId, number: Option<u64>) {
        if let Some(open) = self.open.get_mut(&task)
            && open.number.is_some()
            && open.number == number
        {
            open.last = at;
            return;
        }
        if self.open.len() >= ROWS && !self.open.contains_key(&task) {
            return; // no more threads collect at a time
        }
        let next = OpenPause { number, stack, first: at, last: at };
        if let Some(ended) = self.open.insert(task, next) {
            self.end(task, ended);
        }
    }

    fn end(&mut self, task: Task, ended: OpenPause) {
        let stack = ended.stack;
        let row = self.rows.row(CollectedRow { pid: task.pid, generation: None, stack, sampled: true });
        row.add(ended.last - ended.first, stack);
    }

    /// The section of the report, most time first; `None` where nothing could be seen of any collector.
    pub fn finish(mut self, symbols: &Symbols) -> Option<report::Gc> {
        for (task, open) in std::mem::take(&mut self.open) {
            self.end(task, open);
        }
        let mut rows: Vec<_> = self.by_line(symbols).into_iter().collect();
        rows.sort_by_key(|(key, sum)| (Reverse(sum.total), Reverse(sum.count), *key));
        let is_sampled = rows.iter().any(|((.., sampled), _)| *sampled);
        let method = match (self.any_probed, self.sampled) {
            (false, false) if rows.is_empty() => return None,
            (false, true) => GcMethod::Sampled,
            _ if is_sampled => GcMethod::Sampled,
            _ => GcMethod::Probe,
        };
        let row = |((pid, generation, line, sampled), sum): (CollectingLine, PauseSum)| GcPauses {
            pid,
            generation,
            count: sum.count,
            total_ns: sum.total,
            max_ns: sum.longest,
            collected: sum.collected,
            started_by: line.map(|line| lines::frame(symbols, line)),
            stack: lines::stack_of(symbols, sum.stack),
            waiters: sum.waiters,
            sampled,
        };
        let collections = self.collections().collect();
        Some(report::Gc { method, collections, pauses: rows.into_iter().map(row).collect() })
    }

    /// Those that collected most often first.
    fn collections(&self) -> impl Iterator<Item = GcCollections> {
        let mut counted: Vec<_> = self.counted.iter().filter(|(_, sum)| sum.count > 0).collect();
        counted.sort_by_key(|(key, sum)| (Reverse(sum.count), **key));
        counted.into_iter().map(|(&Generation { pid, generation }, sum)| GcCollections {
            pid,
            generation,
            count: sum.count,
            collected: sum.collected,
            at_least: sum.at_least,
        })
    }

    /// Rows of the same innermost line belong together.
    fn by_line(&self, symbols: &Symbols) -> HashMap<CollectingLine, PauseSum> {
        let mut lines: HashMap<_, PauseSum> = HashMap::new();
        for (key, sum) in self.rows.iter() {
            let line = symbols.leaf(key.stack);
            lines.entry((key.pid, key.generation, line, key.sampled)).or_default().merge(sum);
        }
        lines
    }
}

/// Process, generation, the innermost line, and whether it was seen by samples.
type CollectingLine = (Pid, Option<u32>, Option<FrameId>, bool);

impl PauseSum {
    fn add(&mut self, lasted: Nanos, stack: StackId) {
        self.merge(&Self { count: 1, total: lasted, longest: lasted, stack, ..Self::default() });
    }

    fn merge(&mut self, other: &Self) {
        if other.longest >= self.longest {
            (self.longest, self.stack) = (other.longest, other.stack);
        }
        self.count += other.count;
        self.total += other.total;
        self.collected = match (self.collected, other.collected) {
            (Some(one), Some(two)) => Some(one + two),
            (one, two) => one.or(two),
        };
        self.waiters = self.waiters.max(other.waiters);
    }
}

impl Key for Generation {
    fn coarser(self) -> Option<Self> {
        (self.pid != 0).then_some(Self { pid: 0, ..self })
    }
}

/// First the line is forgotten, then the generation, then the process.
impl Key for CollectedRow {
    fn coarser(self) -> Option<Self> {
        match self {
            Self { stack: StackId(1..), .. } => Some(Self { stack: StackId::NONE, ..self }),
            Self { generation: Some(_), .. } => Some(Self { generation: None, ..self }),
            Self { pid: 1.., .. } => Some(Self { pid: 0, ..self }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples::{exit, symbols_of, task};

    const MILLISECOND: Nanos = 1_000_000;

    fn seen(pid: Pid, seen: GcSeen) -> Event {
        Event::Collections { at: 0, pid, seen }
    }

    fn pause(generation: u32, stack: StackId, lasted: Nanos) -> Event {
        let (generation, collected, waiters) =
            (Some(generation), Some(10), (lasted > MILLISECOND).then_some(3));
        Event::GcPause(GcPause { at: 0, task: task(7, 7), lasted, stack, generation, collected, waiters })
    }

    fn sample(at_ms: Nanos, number: impl Into<Option<u64>>) -> Event {
        Event::GcSample {
            at: at_ms * MILLISECOND,
            task: task(7, 7),
            stack: StackId(1),
            number: number.into(),
        }
    }

    fn gc(events: &[Event]) -> Option<report::Gc> {
        let mut gc = Gc::default();
        events.iter().for_each(|event| gc.fold(event));
        gc.finish(&symbols_of(&[(1, &["a.py:1", "a.py:9"]), (2, &["a.py:1"]), (3, &["a.py:2"])]))
    }

    #[test]
    fn processes_that_end_leave_their_rows_behind_and_nothing_else() {
        let mut gc = Gc::default();
        for event in [seen(7, GcSeen::Sampled), sample(1, 4), sample(3, 4), seen(8, GcSeen::Probed)] {
            gc.fold(&event);
        }
        for pid in [7, 8] {
            let Event::Exit(exit) = exit(9, pid, 1, 0) else { unreachable!("it is an exit") };
            gc.fold(&Event::Exit(exit));
        }
        assert!(gc.probed.is_empty() && gc.open.is_empty(), "{gc:?}");
        let found = gc.finish(&symbols_of(&[(1, &["a.py:1"])])).expect("it was watched");
        assert_eq!((found.method, found.pauses.rows.len()), (GcMethod::Sampled, 1));
        assert_eq!(found.pauses.rows[0].total_ns, 2 * MILLISECOND);
    }

    #[test]
    fn collections_of_one_line_and_generation_are_one_row() {
        let events = [
            seen(7, GcSeen::Probed),
            pause(2, StackId(1), 5 * MILLISECOND),
            pause(2, StackId(2), 400),
            pause(2, StackId(3), 1),
            pause(0, StackId(2), 2),
            sample(1, 4),
        ];
        let found = gc(&events).expect("it was watched");
        assert_eq!(found.method, GcMethod::Probe);
        let rows: Vec<_> =
            found.pauses.rows.iter().map(|row| (row.generation, row.count, row.total_ns)).collect();
        assert_eq!(rows, [(Some(2), 2, 5_000_400), (Some(0), 1, 2), (Some(2), 1, 1)]);
        let longest = &found.pauses.rows[0];
        assert_eq!((longest.max_ns, longest.collected, longest.waiters), (5_000_000, Some(20), Some(3)));
        assert_eq!(longest.stack.as_ref().map(Vec::len), Some(2));
        assert_eq!(longest.started_by.as_ref().and_then(|frame| frame.line), Some(1));
    }

    #[test]
    fn samples_report_no_more_than_there_was() {
        for (name, samples, expected) in [
            ("one", vec![sample(10, 4)], Some((1, 0, 0))),
            ("of one collection", vec![sample(10, 4), sample(20, 4), sample(30, 4)], Some((1, 20, 20))),
            ("of two", vec![sample(10, 4), sample(20, 4), sample(30, 5)], Some((2, 10, 10))),
            ("not distinguished", vec![sample(10, None), sample(20, None)], Some((2, 0, 0))),
            ("none", vec![], None),
        ] {
            let events: Vec<_> = [seen(7, GcSeen::Sampled)].into_iter().chain(samples).collect();
            let found = gc(&events).expect("it was watched");
            assert_eq!(found.method, GcMethod::Sampled, "{name}");
            let row = found.pauses.rows.first();
            let reported = row.map(|row| (row.count, row.total_ns / MILLISECOND, row.max_ns / MILLISECOND));
            assert_eq!(reported, expected, "{name}");
            assert!(row.is_none_or(|row| row.sampled && row.generation.is_none()), "{name}");
        }
    }

    #[test]
    fn what_collectors_count_themselves_is_reported_beside_what_samples_see() {
        let counted = |pid, generation, collections, at_least| {
            Event::GcCounted(GcCounted { pid, generation, collections, collected: 2 * collections, at_least })
        };
        let events = [
            seen(7, GcSeen::Sampled),
            sample(1, 4),
            counted(7, 0, 30, false),
            counted(7, 1, 0, false),
            counted(8, 0, 40, true),
            counted(7, 0, 5, false),
        ];
        let found = gc(&events).expect("it was watched");
        let reported: Vec<_> = found.collections.rows.iter().collect();
        let expected = [(8, 0, 40, 80, true), (7, 0, 35, 70, false)];
        let rows: Vec<_> = reported
            .iter()
            .map(|row| (row.pid, row.generation, row.count, row.collected, row.at_least))
            .collect();
        assert_eq!(rows, expected);
        assert_eq!(found.pauses.sum().totals.count, 1, "those that a sample fell into");
    }

    #[test]
    fn what_nobody_could_see_is_not_none() {
        assert_eq!(gc(&[seen(7, GcSeen::No)]), None);
        assert_eq!(gc(&[]), None);
        let both = [seen(7, GcSeen::Probed), seen(8, GcSeen::Sampled)];
        assert_eq!(gc(&both).map(|found| found.method), Some(GcMethod::Probe), "no row is a lower bound");
    }
}
