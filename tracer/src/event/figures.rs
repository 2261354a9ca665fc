//! The times and amounts in events: what is shifted when a window begins later, and what no run can have.

use tracer_common::switch::SwitchValue;

use super::{
    Bytes, Event, Exec, Exit, Fork, GcCounted, GcPause, HandlerStart, LoopPiece, Nanos, ProcessDescription,
    Reads, SignalDeliver, SignalGenerate, Waited,
};

/// Nanoseconds that a run lasts at most, or all of its threads together: 52 days.
const LONGEST: Nanos = 1 << 52;
/// Bytes of what the kernel calls a task, 16, and of other names: more than are ever sent.
const COMM_BYTES: usize = 64;
const NAME_BYTES: usize = 4096;
/// What may be counted of one thing.
const MOST: u64 = 1 << 48;

/// The moments of an event, borrowed as it is: nanoseconds since the start of the window.
macro_rules! moments {
    ($event:expr) => {
        match $event {
            Event::Process(ProcessDescription { born: Some(at), .. })
            | Event::Fork(Fork { at, .. })
            | Event::Exec(Exec { at, .. })
            | Event::Exit(Exit { at, .. })
            | Event::Reaped { at, .. }
            | Event::Free { at, .. }
            | Event::Reparented { at, .. }
            | Event::SignalGenerate(SignalGenerate { at, .. })
            | Event::SignalDeliver(SignalDeliver { at, .. })
            | Event::HandlersWatched { at, .. }
            | Event::HandlerStart(HandlerStart { at, .. })
            | Event::HandlerEnd { at, .. }
            | Event::Collections { at, .. }
            | Event::GcPause(GcPause { at, .. })
            | Event::GcSample { at, .. }
            | Event::LoopTurn { began: at, .. }
            | Event::LoopPiece(LoopPiece { began: at, .. })
            | Event::LoopTask { began: at, .. }
            | Event::Drained { at } => [Some(at), None],
            Event::ZombieForLong { at, since, .. } => [Some(at), Some(since)],
            // Spelled out, so that a new event is not forgotten.
            Event::Process(_)
            | Event::ThreadName { .. }
            | Event::ZombieAtStart { .. }
            | Event::ChildAtStart { .. }
            | Event::ZombieAtEnd { .. }
            | Event::Doing { .. }
            | Event::SignalsPending(_)
            | Event::HandlersPending { .. }
            | Event::GcCounted(_)
            | Event::LoopsWatched
            | Event::Loop { .. }
            | Event::Switches { .. }
            | Event::Wakeups { .. }
            | Event::GilHeld { .. }
            | Event::Reads { .. }
            | Event::ReadSizes { .. }
            | Event::Samples { .. }
            | Event::Entries { .. }
            | Event::KernelSwitches { .. }
            | Event::KernelSwitchesBefore { .. } => [None, None],
        }
    };
}

impl Event {
    /// Every moment that it names.
    fn times(&self) -> [Option<&Nanos>; 2] {
        moments!(self)
    }

    /// The same, to be changed.
    pub fn times_mut(&mut self) -> [Option<&mut Nanos>; 2] {
        moments!(self)
    }

    /// Whether a run can have had it. Sums of figures that none can have would not fit, nor would its names.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.times().into_iter().flatten().all(|at| *at <= LONGEST)
            && self.durations().into_iter().all(|ns| ns <= LONGEST)
            && self.counts().into_iter().all(|count| count <= MOST)
            && self.are_names_possible()
    }

    /// Names that the kernel or an interpreter gives are of limited length. What `/proc` has of a process may be longer, and
    /// is cut where there is no room.
    fn are_names_possible(&self) -> bool {
        match self {
            Self::Fork(Fork { comm, .. })
            | Self::Exit(Exit { comm, .. })
            | Self::ThreadName { comm, .. }
            | Self::ZombieAtStart { comm, .. }
            | Self::Reparented { comm, .. }
            | Self::SignalGenerate(SignalGenerate { comm, .. })
            | Self::Process(ProcessDescription { comm, .. }) => comm.len() <= COMM_BYTES,
            Self::LoopTask { name, .. } => name.len() <= NAME_BYTES,
            Self::Exec(Exec { comm, path, arguments, .. }) => {
                let bytes: usize = arguments.iter().map(Bytes::len).sum();
                comm.len() <= COMM_BYTES && path.len() + bytes + arguments.len() <= NAME_BYTES
            }
            _ => true,
        }
    }

    fn durations(&self) -> [Nanos; 3] {
        let waited = |waited: &Option<Waited>| {
            waited.map_or([0; 3], |Waited { off_cpu, gil, run_queue, .. }| [off_cpu, gil, run_queue])
        };
        match self {
            Self::Exit(Exit { cpu, .. }) => [*cpu, 0, 0],
            Self::SignalGenerate(SignalGenerate { main, .. })
            | Self::SignalDeliver(SignalDeliver { main, .. }) => waited(main),
            Self::HandlerStart(start) => waited(&start.waited),
            Self::GcPause(GcPause { lasted, .. }) => [*lasted, 0, 0],
            Self::LoopTurn { busy, .. } => [*busy, 0, 0],
            Self::LoopPiece(LoopPiece { lasted, queued, .. }) => [*lasted, *queued, 0],
            Self::Loop { busy, longest, .. } => [*busy, *longest, 0],
            Self::Switches { value: SwitchValue { off_cpu_ns, run_queue_ns, on_cpu_ns, .. }, .. } => {
                [*off_cpu_ns, *run_queue_ns, *on_cpu_ns]
            }
            Self::GilHeld { waited_ns, .. } => [*waited_ns, 0, 0],
            _ => [0; 3],
        }
    }

    fn counts(&self) -> Vec<u64> {
        match self {
            Self::GcPause(GcPause { collected, .. }) => collected.iter().copied().collect(),
            Self::GcSample { number, .. } => number.iter().copied().collect(),
            Self::GcCounted(GcCounted { collections, collected, .. }) => vec![*collections, *collected],
            Self::Loop { turns, .. } => vec![*turns],
            Self::Switches { value, still_blocked, .. } => {
                vec![value.count, value.began_before, value.gil_waits, *still_blocked]
            }
            Self::Reads { value, .. } => counts_of_reads(value),
            Self::Wakeups { count, .. }
            | Self::ReadSizes { count, .. }
            | Self::Samples { count, .. }
            | Self::Entries { count, .. } => vec![*count],
            Self::KernelSwitches { voluntary, involuntary, .. }
            | Self::KernelSwitchesBefore { voluntary, involuntary, .. } => vec![*voluntary, *involuntary],
            _ => Vec::new(),
        }
    }
}

fn counts_of_reads(reads: &Reads) -> Vec<u64> {
    let Reads { calls, bytes, eof, continued, full, opens, opens_unknown, own, .. } = *reads;
    let sums = [calls, bytes, eof, continued, full, opens, opens_unknown, own];
    let sizes = reads.requested.iter().chain(&reads.returned).map(|(_, count)| *count);
    sums.into_iter().chain(sizes).chain(reads.errors.iter().map(|(_, count)| *count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Task;

    #[test]
    fn every_moment_can_be_shifted() {
        let mut event = Event::ZombieForLong { at: 300, pid: 1, ppid: 2, since: 100 };
        event.times_mut().into_iter().flatten().for_each(|at| *at = at.saturating_sub(200));
        assert_eq!(event, Event::ZombieForLong { at: 100, pid: 1, ppid: 2, since: 0 });
    }

    #[test]
    fn what_no_run_can_have_is_distinguished_from_what_it_can() {
        let task = Task { pid: 1, tid: 1 };
        for (event, expected) in [
            (Event::LoopTurn { task, began: 5, busy: 7 }, true),
            (Event::LoopTurn { task, began: u64::MAX, busy: 7 }, false),
            (Event::LoopTurn { task, began: 5, busy: u64::MAX }, false),
            (Event::KernelSwitches { task, voluntary: 0, involuntary: u64::MAX }, false),
            (
                Event::Reads { key: Default::default(), value: Reads { bytes: 1 << 40, ..Reads::default() } },
                true,
            ),
            (Event::ThreadName { task, comm: vec![b'n'; 16].into() }, true),
            (Event::ThreadName { task, comm: vec![b'n'; 1 << 20].into() }, false),
        ] {
            assert_eq!(event.is_possible(), expected, "{event:?}");
        }
    }
}
