//! Where the time went: on-CPU from samples, off-CPU from switches.

use std::collections::{HashMap, HashSet};

use super::entries::Entries;
use super::lines::{self, FrameIds as Lines};
use super::sums::{Key, Sums, share};
use super::switches::Switches;
use super::traced::Traced;
use super::window::Window;
use crate::event::{Bytes, Event, Nanos, Pid, SampleRow, StackId, StackStatus, Task};
use crate::quick::QuickMap;
use crate::report::{self, HotLine, HotStack, Name, Row as _, Samples};
use crate::symbols::{FrameId, Symbols};

/// Different threads and stacks that are kept apart.
const ROWS: usize = 16_384;
/// Threads whose names are remembered.
const NAMES: usize = 16_384;

/// Samples by thread and stack, and the names of threads.
#[derive(Debug)]
pub struct Frames {
    samples: Sums<SampleRow, u64>,
    names: QuickMap<Task, Bytes>,
    entries: Entries,
}

/// What one line or one stack costs.
#[derive(Clone, Copy, Debug, Default)]
struct FrameCost {
    innermost: u64,
    anywhere: u64,
    off_cpu_ns: Nanos,
}

impl Default for Frames {
    fn default() -> Self {
        Self { samples: Sums::new(ROWS), names: QuickMap::default(), entries: Entries::default() }
    }
}

impl Frames {
    /// Adds the rows of one drain.
    pub fn fold(&mut self, event: &Event) {
        self.entries.fold(event);
        match event {
            Event::Samples { key, count, .. } => *self.samples.row(*key) += count,
            Event::ThreadName { task, comm } => self.name(*task, comm),
            _ => {}
        }
    }

    /// The section of the report.
    pub fn finish(
        &self,
        symbols: &Symbols,
        switches: &Switches,
        traced: &Traced,
        window: &Window,
    ) -> report::Frames {
        report::Frames {
            rate_hz: window.rate_hz,
            reached_hz: window.reached_hz,
            hot: self.lines(symbols, switches).into(),
            stacks: self.stacks(symbols, switches, traced).into(),
            entries: self.entries.finish(symbols, traced, window),
        }
    }

    /// What became of every sample.
    pub fn accounts(&self, symbols: &Symbols, traced: &Traced, expected: u64) -> Samples {
        let mut accounts = Samples { expected, ..Samples::default() };
        for (key, count) in self.samples.iter() {
            let (status, truncated) = resolved(key, symbols);
            accounts.taken += count;
            *match status {
                StackStatus::Ok => &mut accounts.python,
                StackStatus::NoPythonFrame => &mut accounts.no_python_frame,
                StackStatus::Faulted => &mut accounts.faulted,
                StackStatus::Unresolved if traced.is_no_python(key.task.pid) => &mut accounts.no_python_frame,
                StackStatus::Unresolved => &mut accounts.unresolved,
            } += count;
            accounts.truncated += if truncated { *count } else { 0 };
        }
        accounts
    }

    fn name(&mut self, task: Task, comm: &Bytes) {
        if self.names.len() < NAMES || self.names.contains_key(&task) {
            self.names.insert(task, comm.clone());
        }
    }

    /// Hottest first: by the samples that ended there, then by those that passed through, then by the time asleep.
    fn lines(&self, symbols: &Symbols, switches: &Switches) -> Vec<HotLine> {
        let mut costs: Vec<_> = self.cost_of_lines(symbols, switches).into_iter().collect();
        costs.sort_by_key(|(line, cost)| (std::cmp::Reverse(cost.rank()), *line));
        let lines = costs.iter().map(|((pid, line), cost)| HotLine {
            pid: *pid,
            frame: lines::frame(symbols, *line),
            self_samples: cost.innermost,
            total_samples: cost.anywhere,
            off_cpu_ns: cost.off_cpu_ns,
        });
        lines.collect()
    }

    fn cost_of_lines(&self, symbols: &Symbols, switches: &Switches) -> HashMap<(Pid, FrameId), FrameCost> {
        let mut costs = HashMap::<_, FrameCost>::new();
        for (key, frames, count) in self.with_stacks(symbols) {
            costs.entry((key.task.pid, frames[0])).or_default().innermost += count;
            for line in frames.iter().copied().collect::<HashSet<_>>() {
                costs.entry((key.task.pid, line)).or_default().anywhere += count;
            }
        }
        for (key, sum) in switches.rows().filter(|(_, sum)| sum.off_cpu_ns > 0) {
            if let Some(line) = symbols.leaf(key.stack) {
                costs.entry((key.task.pid, line)).or_default().off_cpu_ns += sum.off_cpu_ns;
            }
        }
        costs
    }

    /// Those first that took the largest shares of the samples and of the time asleep.
    fn stacks(&self, symbols: &Symbols, switches: &Switches, traced: &Traced) -> Vec<HotStack> {
        let mut costs: Vec<_> = self.cost_of_stacks(symbols, switches).into_iter().collect();
        let all = costs.iter().fold(FrameCost::default(), |all, (_, cost)| all.plus(cost));
        costs.sort_by(|(a, x), (b, y)| y.share(&all).cmp(&x.share(&all)).then_with(|| a.cmp(b)));
        let stacks = costs.iter().enumerate().map(|(index, ((task, frames), cost))| HotStack {
            pid: task.pid,
            tid: task.tid,
            thread_name: self.name_of(*task, traced),
            // The report keeps no more of them.
            stack: if index < HotStack::LIMIT { lines::stack(symbols, frames) } else { Vec::new() },
            samples: cost.innermost,
            off_cpu_ns: cost.off_cpu_ns,
        });
        stacks.collect()
    }

    fn cost_of_stacks(&self, symbols: &Symbols, switches: &Switches) -> HashMap<(Task, Lines), FrameCost> {
        let mut costs = HashMap::<_, FrameCost>::new();
        for (key, frames, count) in self.with_stacks(symbols) {
            costs.entry((key.task, frames)).or_default().innermost += count;
        }
        for (key, sum) in switches.rows().filter(|(_, sum)| sum.off_cpu_ns > 0) {
            if let Some(frames) = lines::frames(symbols, key.stack) {
                costs.entry((key.task, frames)).or_default().off_cpu_ns += sum.off_cpu_ns;
            }
        }
        costs
    }

    /// Samples with a Python stack.
    fn with_stacks(&self, symbols: &Symbols) -> impl Iterator<Item = (&SampleRow, Lines, u64)> {
        self.samples.iter().filter_map(move |(key, count)| {
            let python = resolved(key, symbols).0 == StackStatus::Ok;
            python.then(|| lines::frames(symbols, key.stack))?.map(|frames| (key, frames, *count))
        })
    }

    pub fn name_of(&self, task: Task, traced: &Traced) -> Option<Name> {
        let main = || traced.comm(task.pid).filter(|_| task.tid == task.pid);
        self.names.get(&task).or_else(main).map(Name::new)
    }
}

/// What a sample has to show: without the record of its stack it is not resolved, whatever the walk said.
fn resolved(key: &SampleRow, symbols: &Symbols) -> (StackStatus, bool) {
    match key.status {
        StackStatus::Ok if lines::frames(symbols, key.stack).is_none() => (StackStatus::Unresolved, false),
        StackStatus::Ok => (StackStatus::Ok, key.truncated),
        other => (other, false),
    }
}

/// First the stack is forgotten, then the thread, then the process.
impl Key for SampleRow {
    fn coarser(self) -> Option<Self> {
        match self {
            Self { stack: StackId(1..), .. } => {
                let status = StackStatus::Unresolved;
                Some(Self { stack: StackId::NONE, status, truncated: false, ..self })
            }
            Self { task: Task { tid: 1.., pid }, .. } => Some(Self { task: Task { pid, tid: 0 }, ..self }),
            Self { task: Task { pid: 1.., .. }, .. } => Some(Self { task: Task::default(), ..self }),
            _ => None,
        }
    }
}

impl FrameCost {
    fn rank(&self) -> (u64, u64, Nanos) {
        (self.innermost, self.anywhere, self.off_cpu_ns)
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            innermost: self.innermost + other.innermost,
            anywhere: self.anywhere + other.anywhere,
            off_cpu_ns: self.off_cpu_ns + other.off_cpu_ns,
        }
    }

    fn share(&self, all: &Self) -> u128 {
        share(self.innermost, all.innermost) + share(self.off_cpu_ns, all.off_cpu_ns)
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::python::status;
    use tracer_common::sample::SampleKey;
    use tracer_common::switch::SwitchValue;

    use super::*;
    use crate::analysis::samples::{bytes, exec, process, symbols_of, task};
    use crate::event::SwitchRow;

    fn sample(tid: u32, stack: u64, status: u32, count: u64) -> Event {
        let key = SampleKey { stack, pid: 7, tid, slice: 0, status }.into();
        Event::Samples { key, count, keeps_others_waiting: false }
    }

    fn asleep(tid: u32, stack: u64, off_cpu_ns: u64) -> Event {
        let key = SwitchRow { task: task(7, tid), stack: StackId(stack), flags: 1, ..SwitchRow::default() };
        let value = SwitchValue { count: 1, off_cpu_ns, ..SwitchValue::default() };
        Event::Switches { key, value, still_blocked: 0 }
    }

    /// 1 and 2 are the same lines; 3 is another, recursive one.
    fn world() -> Symbols {
        symbols_of(&[
            (1, &["a.py:1", "a.py:9"]),
            (2, &["a.py:1", "a.py:9"]),
            (3, &["a.py:5", "a.py:5", "a.py:9"]),
        ])
    }

    fn finished(events: &[Event]) -> (report::Frames, Samples) {
        let (mut frames, mut switches, mut traced) = <(Frames, Switches, Traced)>::default();
        traced.fold(&Event::Process(process(7, "main")));
        for event in events {
            frames.fold(event);
            switches.fold(event);
        }
        let symbols = world();
        let section = frames.finish(&symbols, &switches, &traced, &Window::default());
        (section, frames.accounts(&symbols, &traced, 100))
    }

    #[test]
    fn every_sample_ends_in_one_account() {
        let mut events = vec![
            sample(7, 1, status::OK, 1),
            sample(7, 3, status::OK | status::TRUNCATED, 2),
            sample(7, 0, status::NO_PYTHON_FRAME, 4),
            sample(7, 0, status::FAULTED, 8),
            sample(7, 0, status::UNRESOLVED, 16),
            sample(7, 99, status::OK | status::TRUNCATED, 32), // its record was lost
        ];
        let (_, few) = finished(&events);
        assert_eq!((few.python, few.no_python_frame, few.faulted, few.unresolved), (3, 4, 8, 48));
        assert_eq!((few.expected, few.taken, few.truncated), (100, 63, 2));
        events.extend((0..100_000).map(|n| sample(n % 100, u64::from(n), status::OK, 1)));
        let (_, many) = finished(&events);
        assert_eq!(many.taken, 100_063);
        assert_eq!(many.taken, many.python + many.no_python_frame + many.faulted + many.unresolved);
    }

    #[test]
    fn a_program_that_ended_before_it_was_probed_lacks_no_stack() {
        let (mut frames, mut traced) = <(Frames, Traced)>::default();
        frames.fold(&sample(7, 0, status::UNRESOLVED, 5));
        for (program, outside) in [("sed", 5), ("python3.12", 0)] {
            traced.fold(&Event::Process(process(7, "main")));
            traced.fold(&exec(1, 7, &[program]));
            let accounts = frames.accounts(&world(), &traced, 5);
            assert_eq!((accounts.no_python_frame, accounts.unresolved), (outside, 5 - outside), "{program}");
        }
    }

    #[test]
    fn a_line_counts_once_a_sample_and_sleeps_where_it_is_innermost() {
        let (frames, _) = finished(&[
            sample(7, 1, status::OK, 3),
            sample(8, 2, status::OK, 2),
            sample(7, 3, status::OK, 4),
            asleep(7, 1, 100),
            asleep(8, 3, 10),
        ]);
        let line =
            |row: &HotLine| (row.frame.line.unwrap(), row.self_samples, row.total_samples, row.off_cpu_ns);
        let hot: Vec<_> = frames.hot.rows.iter().map(line).collect();
        assert_eq!(hot, [(1, 5, 5, 100), (5, 4, 4, 10), (9, 0, 9, 0)]);
    }

    #[test]
    fn stacks_are_reported_by_thread_and_by_names() {
        let named = Event::ThreadName { task: task(7, 8), comm: bytes("worker") };
        let (frames, _) = finished(&[
            sample(7, 1, status::OK, 3),
            sample(7, 2, status::OK, 2),
            sample(8, 2, status::OK, 1),
            sample(9, 3, status::OK, 1),
            asleep(8, 1, 100),
            named,
        ]);
        let stack = |row: &HotStack| (row.tid, row.thread_name.clone(), row.samples, row.off_cpu_ns);
        let mut rows: Vec<_> = frames.stacks.rows.iter().map(stack).collect();
        rows.sort();
        assert_eq!(
            rows,
            [(7, Some("main".into()), 5, 0), (8, Some("worker".into()), 1, 100), (9, None, 1, 0)]
        );
        assert!(frames.stacks.rows.iter().all(|row| row.stack.len() >= 2));
    }
}
