//! Entries of the evaluation function, by the function that was entered.

use std::collections::HashMap;

use tracer_common::python;

use super::lines;
use super::sums::{Key, Sums};
use super::traced::Traced;
use super::window::Window;
use crate::event::{EntryRow, Event, Pid, SpaceId};
use crate::report::{self, EntryCount, EntryMetric};
use crate::symbols::{FrameId, Symbols};

/// Different processes and functions that are kept apart.
const ROWS: usize = 16_384;
/// From here on a call from Python to Python stays within one evaluation:
/// <https://github.com/python/cpython/blob/v3.11.0/Doc/whatsnew/3.11.rst>
const ONE_EVALUATION: (u32, u32) = (3, 11);

/// [`python::Frame::instruction`] of a function as a whole.
const NO_INSTRUCTION: i32 = -1;

/// Entries by function.
#[derive(Debug)]
pub struct Entries {
    rows: Sums<EntryRow, u64>,
}

impl Default for Entries {
    fn default() -> Self {
        Self { rows: Sums::new(ROWS) }
    }
}

impl Entries {
    /// Adds the rows of one drain.
    pub fn fold(&mut self, event: &Event) {
        if let Event::Entries { key, count } = event {
            *self.rows.row(*key) += count;
        }
    }

    /// The rows of the report, most entries first; `None` if none were counted.
    pub fn finish(&self, symbols: &Symbols, traced: &Traced, window: &Window) -> Option<report::Entries> {
        let mut rows: Vec<_> = self.by_function(symbols).into_iter().collect();
        rows.sort_by_key(|(function, count)| (std::cmp::Reverse(*count), *function));
        let rows = rows.into_iter().map(|((pid, function), count)| EntryCount {
            pid,
            frame: function.map_or_else(unknown, |id| lines::frame(symbols, id)),
            count,
        });
        let rows: report::Bounded<_> = rows.collect();
        let covered_ns = window.entries_covered_ns;
        (!rows.is_empty()).then(|| report::Entries { metric: metric(traced), covered_ns, rows })
    }

    fn by_function(&self, symbols: &Symbols) -> HashMap<(Pid, Option<FrameId>), u64> {
        let mut rows = HashMap::new();
        for (key, count) in self.rows.iter() {
            *rows.entry((key.pid, function(key, symbols))).or_default() += count;
        }
        rows
    }
}

/// A function is the call site in its code object that is at no instruction.
fn function(key: &EntryRow, symbols: &Symbols) -> Option<FrameId> {
    let start = python::Frame { code: key.code, instruction: NO_INSTRUCTION, identity: key.identity };
    symbols.site(key.space, &start)
}

fn unknown() -> report::Frame {
    report::Frame { function: "(unknown)".into(), ..report::Frame::default() }
}

/// What an entry is, by the newest Python among the processes: no row may claim more than it counts.
fn metric(traced: &Traced) -> EntryMetric {
    let newest = traced.pythons().filter_map(minor_version).max();
    if newest < Some(ONE_EVALUATION) { EntryMetric::PythonCalls } else { EntryMetric::CToPythonEntries }
}

/// `(3, 11)` of `3.11.2`
fn minor_version(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// First the function is forgotten, then the process.
impl Key for EntryRow {
    fn coarser(self) -> Option<Self> {
        match self {
            Self { code: 1.., .. } | Self { space: SpaceId(1..), .. } => {
                Some(Self { code: 0, space: SpaceId::NONE, identity: 0, ..self })
            }
            Self { pid: 1.., .. } => Some(Self { pid: 0, ..self }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples::{frame, process};
    use crate::event::ProcessDescription;

    #[test]
    fn counts_by_function_and_names_what_it_counts() {
        let mut symbols = Symbols::default();
        let line = symbols.intern(frame("a.py:1"));
        symbols.insert_site(
            SpaceId(5),
            python::Frame { code: 10, instruction: NO_INSTRUCTION, identity: 3 },
            line,
        );
        let key = EntryRow { space: SpaceId(5), code: 10, identity: 3, pid: 7 };
        for (version, metric) in [
            ("2.7.18", EntryMetric::PythonCalls),
            ("3.10.13", EntryMetric::PythonCalls),
            ("3.11.2", EntryMetric::CToPythonEntries),
            ("3.15.0a1", EntryMetric::CToPythonEntries),
        ] {
            let mut traced = Traced::default();
            traced.fold(&Event::Process(ProcessDescription {
                python: Some(version.into()),
                ..process(7, "p")
            }));
            let mut entries = Entries::default();
            for (key, count) in [(key, 3), (key, 2), (EntryRow { code: 11, ..key }, 1)] {
                entries.fold(&Event::Entries { key, count });
            }
            let found = entries.finish(&symbols, &traced, &Window::default()).unwrap();
            assert_eq!(found.metric, metric, "{version}");
            let rows: Vec<_> = found.rows.rows.iter().map(|row| (row.frame.line, row.count)).collect();
            assert_eq!(rows, [(Some(1), 5), (None, 1)], "{version}");
        }
        assert_eq!(Entries::default().finish(&symbols, &Traced::default(), &Window::default()), None);
    }
}
