//! Reads: which file, at which line, in which pieces, and what the thread waited for inside the call.

mod advice;
#[cfg(test)]
mod advice_tests;
mod merged;
mod opens;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};

use tracer_common::python::Frame;
use tracer_common::syscall::into;

use self::advice::Flow;
use super::sizes::Sizes;
use super::sums::{Key, Sums};
use super::switches::Switches;
use crate::event::{Event, FileId, Nanos, Pid, ReadFigure, ReadRow, Reads as Drained, SpaceId, StackId};
use crate::report::{Bounded, Read};
use crate::symbols::Symbols;

/// Different processes, files and call sites that are kept apart.
const ROWS: usize = 8_192;
/// Different stacks of one call site among which the most frequent is looked for.
const STACKS: usize = 8;

/// Every read, by process, file and call site.
#[derive(Debug)]
pub struct Reads {
    rows: Sums<ReadRow, ReadSum>,
    /// Processes whose waits for the GIL are distinguished from others.
    with_gil: HashSet<Pid>,
}

/// What one row adds up to.
#[derive(Clone, Debug, Default)]
struct ReadSum {
    calls: u64,
    bytes: u64,
    eof: u64,
    flow: Flow,
    opens: u64,
    opens_unknown: u64,
    own: u64,
    /// Calls into `bytes`, and elsewhere.
    into: [u64; 2],
    requested: Sizes,
    returned: Sizes,
    errors: BTreeMap<u32, u64>,
    stacks: Vec<(StackId, u64)>,
}

impl Default for Reads {
    fn default() -> Self {
        Self { rows: Sums::new(ROWS), with_gil: HashSet::new() }
    }
}

impl Reads {
    /// Adds the rows of one drain.
    pub fn fold(&mut self, event: &Event) {
        match event {
            Event::Reads { key, value } => self.rows.row(*key).add(value),
            Event::Process(process) if process.gil => self.has_gil(process.pid),
            Event::ReadSizes { key, figure, count } => self.rows.row(*key).add_figure(*figure, *count),
            _ => {}
        }
    }

    /// Of those that have read nothing the oldest are not known any more.
    fn has_gil(&mut self, pid: Pid) {
        if self.with_gil.len() >= 2 * ROWS {
            let have_rows: HashSet<_> = self.rows.iter().map(|(key, _)| key.pid).collect();
            self.with_gil.retain(|pid| have_rows.contains(pid));
        }
        self.with_gil.insert(pid);
    }

    /// The section of the report; `switches` has what happened inside the calls.
    pub fn finish(&self, symbols: &Symbols, switches: &Switches, window_ns: Nanos) -> Bounded<Read> {
        merged::rows(self, symbols, switches, window_ns)
    }
}

impl ReadSum {
    fn add(&mut self, drained: &Drained) {
        self.calls += drained.calls;
        self.bytes += drained.bytes;
        self.eof += drained.eof;
        self.flow.continued += drained.continued;
        self.flow.full += drained.full;
        self.opens += drained.opens;
        self.opens_unknown += drained.opens_unknown;
        self.own += drained.own;
        match drained.into {
            into::BYTES => self.into[0] += drained.calls,
            into::BUFFER => self.into[1] += drained.calls,
            _ => {}
        }
        drained.requested.iter().for_each(|&(size, calls)| self.requested.add(size, calls));
        drained.returned.iter().for_each(|&(size, calls)| self.returned.add(size, calls));
        drained.errors.iter().for_each(|&(errno, calls)| self.add_error(errno, calls));
        self.add_stack(drained.stack, drained.calls);
    }

    fn add_figure(&mut self, figure: ReadFigure, calls: u64) {
        match figure {
            ReadFigure::Requested(size) => self.requested.add_power(size, calls),
            ReadFigure::Returned(size) => self.returned.add_power(size, calls),
            ReadFigure::Error(errno) => self.add_error(errno, calls),
        }
    }

    fn add_error(&mut self, errno: u32, calls: u64) {
        *self.errors.entry(errno).or_default() += calls;
    }

    fn add_stack(&mut self, stack: StackId, calls: u64) {
        if let Some((_, seen)) = self.stacks.iter_mut().find(|(other, _)| *other == stack) {
            *seen += calls;
        } else if !stack.is_none() && self.stacks.len() < STACKS {
            self.stacks.push((stack, calls));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.bytes += other.bytes;
        self.eof += other.eof;
        self.flow.continued += other.flow.continued;
        self.flow.full += other.flow.full;
        self.opens_unknown += other.opens_unknown;
        self.own += other.own;
        (0..2).for_each(|kind| self.into[kind] += other.into[kind]);
        self.requested.merge(&other.requested);
        self.returned.merge(&other.returned);
        other.errors.iter().for_each(|(errno, calls)| self.add_error(*errno, *calls));
        self.stacks.extend(&other.stacks);
    }
}

/// First the call site is forgotten, then the file, then the process.
impl Key for ReadRow {
    fn coarser(self) -> Option<Self> {
        match self {
            Self { space: SpaceId(1..), .. } | Self { site: Frame { code: 1.., .. }, .. } => {
                Some(Self { space: SpaceId::NONE, site: Frame::default(), ..self })
            }
            Self { file: FileId(1..), .. } => Some(Self { file: FileId::NONE, ..self }),
            Self { pid: 1.., .. } => Some(Self { pid: 0, ..self }),
            _ => None,
        }
    }
}
