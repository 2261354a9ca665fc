//! Threads that sleep when the window ends, and whose callers were not read when they fell asleep: read from outside,
//! so that one that hangs shows where.

use std::collections::{BTreeMap, HashMap};

use tracer_common::switch::flag;

use super::baseline::left_out::{CERTAIN, Count, SLEEPERS_AT_END};
use super::event_collector::{EventCollector, Listener};
use crate::cpython::walk::stack_id;
use crate::decode;
use crate::event::{Event, Pid, StackStatus, SwitchRow, Tid};
use crate::process::{Deadline, Process};
use crate::python::asleep::{self, Asleep};

/// Processes that are read at most, a millisecond or so each: the report shall not wait for more.
const PROCESSES: usize = 32;

/// Completes the rows of what is open at the end; of which processes there was no time for so many.
pub fn collect<L: Listener>(
    rows: &mut [Event],
    collector: &mut EventCollector<L>,
    depth: usize,
) -> Vec<Count> {
    let mut alone: BTreeMap<Pid, HashMap<Tid, &mut SwitchRow>> = BTreeMap::new();
    for key in rows.iter_mut().filter_map(alone_row) {
        alone.entry(key.task.pid).or_default().insert(key.task.tid, key);
    }
    let mut left_out = Vec::new();
    let (deadline, count) = (Deadline::after(SLEEPERS_AT_END), alone.len().min(PROCESSES));
    for (index, (pid, mut keys)) in alone.into_iter().take(PROCESSES).enumerate() {
        let (threads, late) = {
            let time = asleep::ReadingTime { limit: deadline.share(count - index), certain: CERTAIN / count };
            sleeping(pid, &keys, collector, depth, time)
        };
        left_out.push((pid, late));
        for (thread, stack) in threads {
            let Some(key) = keys.get_mut(&thread.task.tid) else { continue };
            collector.names.stack(&stack, &collector.spaces);
            let leaf = |stack| collector.names.symbols.leaf(stack);
            if leaf(stack.id) == leaf(key.stack) {
                (key.stack, key.status) = (stack.id, StackStatus::from_wire(thread.status).0);
                key.flags &= !(flag::LEAF_ONLY | flag::THINNING);
            }
        }
    }
    left_out
}

/// The row of a thread that sleeps, if its line alone is known.
fn alone_row(row: &mut Event) -> Option<&mut SwitchRow> {
    match row {
        Event::Switches { key, still_blocked: 1, .. } if key.flags & flag::LEAF_ONLY != 0 => Some(key),
        _ => None,
    }
}

/// Its threads that have these rows, and how many of them there was no time to read.
fn sleeping<L: Listener>(
    pid: Pid,
    keys: &HashMap<Tid, &mut SwitchRow>,
    collector: &EventCollector<L>,
    depth: usize,
    time: asleep::ReadingTime,
) -> (Vec<(Asleep, decode::Stack)>, usize) {
    let (Some(space), Ok(process)) = (collector.spaces.space_of(pid), Process::open(pid)) else {
        return Default::default();
    };
    let deadline = Deadline::after(time.limit).with_certain(time.certain);
    let tids: Vec<_> = keys.keys().copied().collect();
    let (described, unread) = process.described(&tids, deadline);
    let interpreter = collector.spaces.of_process(pid);
    let rest = asleep::ReadingTime { limit: deadline.share(1), ..time };
    let (threads, late) = asleep::of_threads(&process, interpreter, &described, depth, rest);
    let whole = threads.into_iter().filter(|thread| !thread.torn && !thread.frames.is_empty());
    let stack = |thread: Asleep| {
        let frames = thread.frames.clone();
        let stack = decode::Stack { id: stack_id(space, &frames), space, pid, status: thread.status, frames };
        (thread, stack)
    };
    (whole.map(stack).collect(), unread + late)
}
