//! Threads that sleep when the window ends, and whose callers were not read when they fell asleep: read from outside,
//! so that one that hangs shows where.

use tracer_common::switch::flag;

use super::event_collector::{EventCollector, Listener};
use crate::cpython::walk::stack_id;
use crate::decode;
use crate::event::{Event, Pid, StackStatus, SwitchRow};
use crate::process::Process;
use crate::python::asleep::{self, Asleep};

/// Processes that are read at most, a millisecond or so each: the report shall not wait for more.
const PROCESSES: usize = 32;

/// Completes the rows of what is open at the end.
pub fn collect<L: Listener>(rows: &mut [Event], collector: &mut EventCollector<L>, depth: usize) {
    let mut pids: Vec<_> = rows.iter_mut().filter_map(alone).map(|key| key.task.pid).collect();
    pids.sort_unstable();
    pids.dedup();
    for pid in pids.into_iter().take(PROCESSES) {
        for (thread, stack) in sleeping(pid, collector, depth) {
            let Some(key) = rows.iter_mut().filter_map(alone).find(|key| key.task.tid == thread.task.tid)
            else {
                continue;
            };
            collector.names.stack(&stack, &collector.spaces);
            let leaf = |stack| collector.names.symbols.leaf(stack);
            if leaf(stack.id) == leaf(key.stack) {
                (key.stack, key.status) = (stack.id, StackStatus::from_wire(thread.status).0);
                key.flags &= !(flag::LEAF_ONLY | flag::THINNING);
            }
        }
    }
}

/// The row of a thread that sleeps, if its line alone is known.
fn alone(row: &mut Event) -> Option<&mut SwitchRow> {
    match row {
        Event::Switches { key, still_blocked: 1, .. } if key.flags & flag::LEAF_ONLY != 0 => Some(key),
        _ => None,
    }
}

fn sleeping<L: Listener>(
    pid: Pid,
    collector: &EventCollector<L>,
    depth: usize,
) -> Vec<(Asleep, decode::Stack)> {
    let (Some(space), Ok(process)) = (collector.spaces.space_of(pid), Process::open(pid)) else {
        return Vec::new();
    };
    let threads = asleep::asleep([(&process, collector.spaces.of_process(pid))], depth);
    let whole = threads.into_iter().filter(|thread| !thread.torn && !thread.frames.is_empty());
    let stack = |thread: Asleep| {
        let frames = thread.frames.clone();
        let stack = decode::Stack { id: stack_id(space, &frames), space, pid, status: thread.status, frames };
        (thread, stack)
    };
    whole.map(stack).collect()
}
