//! Which task an event loop runs while it is kept from its descriptors: from 3.14 on the interpreter says so.

use std::collections::HashMap;

use super::{Watcher, WatcherContext};
use crate::attach::{Error, Loops};
use crate::clock::monotonic_ns;
use crate::event::{Bytes, Event, Nanos, Pid, Task, Tid};
use crate::process::Process;
use crate::python::Interpreter;
use crate::python::asyncio::{Asyncio, RELEASE};
use crate::sys::memory::ProcessMemory;
use crate::timeline::{Home, Spaces};

/// The loops' tasks.
pub struct TaskWatcher {
    loops: Loops,
    /// Where a process's tasks are, by where it lives.
    asyncio: HashMap<(Pid, Home), Option<Asyncio>>,
    /// The turn of each thread, by the kernel's number, whose task has been reported.
    reported: HashMap<Tid, Nanos>,
}

impl TaskWatcher {
    /// Of these loops.
    pub fn new(loops: Loops) -> Self {
        Self { loops, asyncio: HashMap::new(), reported: HashMap::new() }
    }

    fn name(&mut self, Task { pid, tid }: Task, spaces: &Spaces) -> Option<Bytes> {
        let (home, interpreter) = (spaces.home_of(pid)?, spaces.of_process(pid)?);
        let asyncio = *self.asyncio.entry((pid, home)).or_insert_with(|| find(pid, interpreter));
        let memory = ProcessMemory::new(pid);
        let inside = Process::open(pid).ok()?.thread(tid).ok()?.namespace_tid;
        let states = interpreter.thread_states(&memory).ok()?;
        let state = states.iter().find(|state| state.native_id == Some(inside))?;
        asyncio?.task_name(&memory, &interpreter.layout, state.address)
    }
}

impl Watcher for TaskWatcher {
    fn prepare(&mut self, context: &mut WatcherContext<'_>) -> Result<(), Error> {
        context.events.push(Event::LoopsWatched);
        Ok(())
    }

    /// The tasks of the long turns that go on now.
    fn poll(&mut self, context: &mut WatcherContext<'_>) -> Result<(), Error> {
        let spaces = &*context.spaces;
        if !any_has_tasks(spaces) {
            return Ok(());
        }
        let long: Vec<_> = self.loops.long(context.probes, monotonic_ns()).collect();
        self.reported.retain(|number, _| long.iter().any(|(tid, _)| tid == number));
        self.asyncio.retain(|(pid, home), _| spaces.home_of(*pid) == Some(*home));
        for (number, turn) in long {
            if self.reported.get(&number) == Some(&turn.began_ns) {
                continue;
            }
            let task = context.probes.shown_task(turn.pid, number);
            let Some(name) = self.name(task, spaces) else { continue };
            if self.loops.is_in(number, &turn) {
                self.reported.insert(number, turn.began_ns);
                let began = turn.began_ns.saturating_sub(context.start_ns);
                context.events.push(Event::LoopTask { task, began, name });
            }
        }
        Ok(())
    }

    /// Whether a turn may go on whose task the interpreter says.
    fn is_needed_soon(&self, spaces: &Spaces) -> bool {
        any_has_tasks(spaces) && self.loops.all().next().is_some()
    }

    /// What all loops have done.
    fn finish(&mut self, context: &mut WatcherContext<'_>, _: Nanos) {
        let counts = self.loops.all().map(|(tid, turns)| Event::Loop {
            task: context.probes.shown_task(turns.pid, tid),
            turns: turns.turns,
            busy: turns.busy_ns,
            longest: turns.longest_ns,
        });
        context.events.extend(counts);
    }
}

/// Whether one of the interpreters says so.
fn any_has_tasks(spaces: &Spaces) -> bool {
    spaces.processes().any(|(.., interpreter)| interpreter.version.release >= RELEASE)
}

fn find(pid: Pid, interpreter: &Interpreter) -> Option<Asyncio> {
    let has_tasks = interpreter.version.release >= RELEASE;
    Process::open(pid).ok().filter(|_| has_tasks).and_then(|process| Asyncio::find(&process))
}
