//! Typed events become the rows of the report: one event at a time, into state that does not grow with the run.
//!
//! Nothing here knows a map, a file or a clock. Each section folds the events that it needs; what ids stand for is
//! asked at the end only, so that rows of the same names can be merged. What there is too much of loses detail, never
//! its sum: keys become coarser, alike signals share a row, the longest zombies are kept.

mod callers;
pub mod causes;
mod check;
mod entries;
mod findings;
mod frames;
mod gc;
mod gil;
mod kills;
mod leaving;
mod lines;
mod loops;
mod over_time;
mod patterns;
mod processes;
mod reads;
#[cfg(test)]
pub(crate) mod samples;
mod signal_names;
mod signals;
mod sizes;
mod sums;
mod switch_sum;
mod switches;
mod traced;
mod wakers;
mod window;
mod zombies;

pub use causes::syscall_name;
pub use findings::findings;
pub use signal_names::signal_name;
pub use window::Window;

use std::collections::BTreeSet;

use crate::event::{Event, Pid, ProcessDescription, Tid};
use crate::report::{self, Bounded};
use crate::symbols::Symbols;

/// What has happened so far.
#[derive(Debug, Default)]
pub struct Analysis {
    traced: traced::Traced,
    switches: switches::Switches,
    gil: gil::Gil,
    reads: reads::Reads,
    processes: processes::Processes,
    signals: signals::Signals,
    frames: frames::Frames,
    gc: gc::Gc,
    loops: loops::Loops,
    over_time: over_time::OverTime,
}

/// The sections of the report that come from events. [`findings()`] are made from the finished report.
#[derive(Clone, Debug, PartialEq)]
pub struct Sections {
    /// `target.processes`
    pub target: Bounded<report::TargetProcess>,
    /// `switches`
    pub switches: report::Switches,
    /// `gil`
    pub gil: Option<report::Gil>,
    /// `reads`
    pub reads: Bounded<report::Read>,
    /// `processes`
    pub processes: report::Processes,
    /// `signals`
    pub signals: Bounded<report::Signal>,
    /// `frames`
    pub frames: report::Frames,
    /// `gc`
    pub gc: Option<report::Gc>,
    /// `loops`
    pub loops: Option<Bounded<report::Loop>>,
    /// `over_time`
    pub over_time: report::OverTime,
    /// `quality.samples`
    pub samples: report::Samples,
}

impl Analysis {
    /// Takes one event.
    pub fn fold(&mut self, event: &Event) {
        self.traced.fold(event);
        self.switches.fold(event);
        self.gil.fold(event);
        self.reads.fold(event);
        self.processes.fold(event, &self.traced);
        self.signals.fold(event, &self.traced);
        self.frames.fold(event);
        self.gc.fold(event);
        self.loops.fold(event);
        self.over_time.fold(event);
    }

    /// What is known of a traced process.
    #[must_use]
    pub fn described(&self, pid: Pid) -> Option<&ProcessDescription> {
        self.traced.described(pid)
    }

    /// Processes with signals whose outcome has not been seen, of which the kernel may know more.
    pub fn undecided_signals(&self) -> impl Iterator<Item = (Pid, BTreeSet<Tid>)> {
        self.signals.undecided()
    }

    /// The rows of the report.
    #[must_use]
    pub fn finish(mut self, symbols: &Symbols, window: &Window) -> Sections {
        self.switches.share_out(symbols);
        let switches = self.switches.finish(symbols);
        let expected = u128::from(switches.on_cpu_ns) * u128::from(window.rate_hz) / 1_000_000_000;
        Sections {
            target: self.traced.finish(symbols),
            gil: self.gil.finish(symbols, &self.switches),
            reads: self.reads.finish(symbols, &self.switches, window.duration_ns),
            processes: self.processes.finish(symbols, &self.traced, window.duration_ns),
            signals: self.signals.finish(symbols),
            frames: self.frames.finish(symbols, &self.switches, &self.traced, window),
            gc: self.gc.finish(symbols),
            loops: self.loops.finish(symbols),
            over_time: self.over_time.finish(window, |task| self.frames.name_of(task, &self.traced)),
            samples: self.frames.accounts(symbols, &self.traced, expected as u64),
            switches,
        }
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::switch::SwitchValue;

    use super::*;
    use crate::analysis::samples::{exit, fork, process, regular_file, signal, symbols_of, task};
    use crate::event::{FileId, ReadRow, Reads, SampleRow, StackId, SwitchRow};

    /// A run with a bit of everything.
    fn events() -> Vec<Event> {
        let root = Event::Process(ProcessDescription { root: true, ..process(7, "app") });
        let lives = (100..200).flat_map(|pid| {
            let killed = Event::SignalGenerate(signal(9, task(7, 7), task(pid, pid)));
            [fork(u64::from(pid), 7, pid, 1), killed, exit(u64::from(pid) + 1, pid, 7, 9)]
        });
        let rows = (0..1_000_u32).flat_map(|n| {
            let (task, stack) = (task(7, n % 9), StackId(u64::from(n % 4)));
            let key = SwitchRow { task, stack, syscall: Some(0), flags: n % 2, ..SwitchRow::default() };
            let value = SwitchValue {
                count: n.into(),
                off_cpu_ns: 5,
                on_cpu_ns: 1_000_000,
                ..SwitchValue::default()
            };
            let read = ReadRow { pid: 7, file: FileId(u64::from(n % 3)), syscall: 0, ..ReadRow::default() };
            [
                Event::Switches { key, value, still_blocked: 0 },
                Event::Samples {
                    key: SampleRow { stack, task, ..SampleRow::default() },
                    count: 1,
                    keeps_others_waiting: false,
                },
                Event::Reads {
                    key: read,
                    value: Reads { calls: 2, requested: vec![(n.into(), 2)], ..Reads::default() },
                },
            ]
        });
        [root].into_iter().chain(lives).chain(rows).collect()
    }

    fn sections(events: &[Event]) -> Sections {
        let mut symbols =
            symbols_of(&[(1, &["a.py:1", "a.py:9"]), (2, &["a.py:2"]), (3, &["a.py:1", "b.py:1"])]);
        symbols.insert_file(FileId(1), regular_file("/data"));
        let mut analysis = Analysis::default();
        events.iter().for_each(|event| analysis.fold(event));
        analysis.finish(&symbols, &Window { duration_ns: 1_000, rate_hz: 99, ..Window::default() })
    }

    #[test]
    fn the_same_events_give_the_same_rows() {
        let events = events();
        assert_eq!(sections(&events), sections(&events));
    }

    #[test]
    fn what_goes_in_comes_out() {
        let found = sections(&events());
        let switches = &found.switches;
        assert_eq!(switches.voluntary + switches.involuntary, (0..1_000).sum::<u64>());
        assert_eq!(switches.causes.sum().totals.count, switches.voluntary + switches.involuntary);
        assert_eq!(found.reads.sum().totals.syscalls, 2_000);
        assert_eq!(found.reads.sum().totals.requested.values().sum::<u64>(), 2_000);
        assert_eq!((found.samples.taken, found.samples.expected), (1_000, 99));
        assert_eq!(found.samples.python + found.samples.unresolved, 1_000);
        assert_eq!(found.frames.hot.sum().totals.self_samples, found.samples.python);
        assert_eq!(found.frames.stacks.sum().totals.samples, found.samples.python);
        assert_eq!(
            (found.processes.forked, found.processes.exited, found.target.rows.len()),
            (100, 100, 101)
        );
        assert_eq!(found.signals.sum().totals.count, 100);
    }
}
