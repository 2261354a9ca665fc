//! What the sleeping threads of some processes do, read from outside while they sleep.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tracer_common::python::{Frame, status};

use crate::cpython::memory::Memory;
use crate::cpython::pages::Pages;
use crate::cpython::walk::{self, Walk};
use crate::event::{Task, Tid};
use crate::process::sleep::SleepsIn;
use crate::process::{Deadline, Process, ThreadStatus};
use crate::python::discover::Interpreter;
use crate::python::threads::{self, ThreadState};
use crate::sys::aside::PATIENTLY;
use crate::sys::memory::ProcessMemory;

/// Times that a thread which moves is read.
const TRIES: u32 = 3;
/// What each of many threads may take: a tenth is usual.
const A_THREAD: Duration = Duration::from_millis(1);

/// How long the threads of a process may be read.
#[derive(Clone, Copy, Debug)]
pub struct ReadingTime {
    /// So long.
    pub limit: Duration,
    /// So many are read however long that takes.
    pub certain: usize,
}

/// What so many threads may take where nobody waits for the window.
#[must_use]
pub fn patience(threads: usize) -> Duration {
    PATIENTLY + A_THREAD * u32::try_from(threads).unwrap_or(u32::MAX)
}

/// A thread that is blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asleep {
    /// Which thread.
    pub task: Task,
    /// Innermost first, as the kernel's walk gives them.
    pub frames: Vec<Frame>,
    /// One of [`status`], and perhaps [`status::TRUNCATED`].
    pub status: u32,
    /// The thread moved while it was read: its frames are not to be believed.
    pub torn: bool,
    /// What it sleeps in.
    pub sleeps_in: SleepsIn,
    /// That is a wait for the GIL.
    pub waits_for_gil: bool,
    /// Its state and switch counters before its frames were read.
    pub thread: ThreadStatus,
}

/// Those of some threads of a process, as described before, that have been blocked since; without an interpreter they have
/// no frames and are unresolved. Threads that run, or end meanwhile, are left out. And how many could not be read within this
/// time.
pub fn of_threads(
    process: &Process,
    interpreter: Option<&Arc<Interpreter>>,
    threads: &[(Tid, ThreadStatus)],
    depth: usize,
    time: ReadingTime,
) -> (Vec<Asleep>, usize) {
    let (interpreter, threads) = (interpreter.cloned(), threads.to_vec());
    let count = threads.len();
    aside(process, count, move |process| read_all(process, interpreter.as_deref(), &threads, depth, time))
}

/// Reads the memory of many threads aside. If it does not answer, all is done again without it: what there is to be said
/// of a thread besides its stack comes from elsewhere.
fn aside<T: Send + 'static>(
    process: &Process,
    threads: usize,
    read: impl Fn(&Process) -> T + Clone + Send + 'static,
) -> T {
    let again = read.clone();
    process.aside(patience(threads), move |process| read(process)).unwrap_or_else(|_silent| again(process))
}

fn read_all(
    process: &Process,
    interpreter: Option<&Interpreter>,
    threads: &[(Tid, ThreadStatus)],
    depth: usize,
    time: ReadingTime,
) -> (Vec<Asleep>, usize) {
    // It begins here: memory that has not answered has taken its time already.
    let deadline = Deadline::after(time.limit).with_certain(time.certain);
    let stacks = interpreter.map(|interpreter| StackReader::new(process, interpreter, threads, depth));
    deadline.each(threads, |&(tid, thread)| one(process, stacks.as_ref(), tid, thread))
}

/// What threads that run seem to do: they are read while they move, so that all are torn.
pub fn moving(process: &Process, interpreter: &Arc<Interpreter>, tids: &[Tid], depth: usize) -> Vec<Asleep> {
    let (interpreter, tids) = (interpreter.clone(), tids.to_vec());
    aside(process, tids.len(), move |process| read_moving(process, &interpreter, &tids, depth))
}

fn read_moving(process: &Process, interpreter: &Interpreter, tids: &[Tid], depth: usize) -> Vec<Asleep> {
    let (threads, _) = process.described(tids, Deadline::after(patience(tids.len())));
    let stacks = StackReader::new(process, interpreter, &threads, depth);
    let seen = threads.iter().map(|&(tid, thread)| {
        let walk = stacks.seen(thread.namespace_tid).walk;
        let task = Task { pid: process.pid, tid };
        let (frames, status) = (walk.frames, walk.status);
        Asleep {
            task,
            frames,
            status,
            torn: true,
            sleeps_in: SleepsIn::Nothing,
            waits_for_gil: false,
            thread,
        }
    });
    seen.collect()
}

/// What a thread does, if it sleeps; one that keeps moving is read again.
fn one(
    process: &Process,
    stacks: Option<&StackReader<'_>>,
    tid: Tid,
    thread: ThreadStatus,
) -> Option<Asleep> {
    let mut seen = probe(process, stacks, tid, thread)?;
    for _ in 1..TRIES {
        if !seen.torn {
            break;
        }
        seen = probe(process, stacks, tid, process.thread(tid).ok()?)?;
    }
    Some(seen)
}

fn probe(
    process: &Process,
    stacks: Option<&StackReader<'_>>,
    tid: Tid,
    thread: ThreadStatus,
) -> Option<Asleep> {
    let sleep = process.sleep(tid).ok()?;
    let sleeps_in = sleep.now().ok()?;
    let has_ended = matches!(thread.state, 'Z' | 'X');
    if has_ended || sleeps_in == SleepsIn::Nothing {
        return None;
    }
    let unresolved =
        || WalkedThread { walk: Walk { frames: Vec::new(), status: status::UNRESOLVED }, steady: true };
    let seen = stacks.map_or_else(unresolved, |stacks| stacks.seen(thread.namespace_tid));
    let waits_for_gil = stacks.is_some_and(|stacks| stacks.waits_for_gil(sleeps_in));
    // In this order: off its CPU before and after, and never switched since the first read, it slept all the time. The
    // counters alone would not show it, since a thread says that it sleeps before it has switched.
    let slept_on =
        sleep.now().is_ok_and(|now| now == sleeps_in) && process.thread(tid).is_ok_and(|now| now == thread);
    Some(Asleep {
        task: Task { pid: process.pid, tid },
        frames: seen.walk.frames,
        status: seen.walk.status,
        torn: !(slept_on && seen.steady),
        sleeps_in,
        waits_for_gil,
        thread,
    })
}

/// What was seen of one thread's stack.
struct WalkedThread {
    walk: Walk,
    /// Its innermost frame was the same before and after.
    steady: bool,
}

/// The stacks of a process, by thread.
struct StackReader<'a> {
    memory: ProcessMemory,
    interpreter: &'a Interpreter,
    /// `None` when the thread states could not be read.
    states: Option<HashMap<Tid, Vec<ThreadState>>>,
    depth: usize,
}

impl<'a> StackReader<'a> {
    fn new(
        process: &Process,
        interpreter: &'a Interpreter,
        threads: &[(Tid, ThreadStatus)],
        depth: usize,
    ) -> Self {
        let memory = process.memory();
        let mut tids: Vec<_> = threads.iter().map(|(_, thread)| thread.namespace_tid).collect();
        // The more are known, the surer is where they are named; in another pid namespace the others are not.
        if threads.iter().all(|(tid, thread)| *tid == thread.namespace_tid) {
            tids.extend(process.threads().unwrap_or_default());
        }
        let states = interpreter.thread_states(&memory).ok();
        let states = states.map(|states| threads::by_tid(&memory, &states, &tids));
        Self { memory, interpreter, states, depth }
    }

    fn seen(&self, tid: Tid) -> WalkedThread {
        let without = |status| WalkedThread { walk: Walk { frames: Vec::new(), status }, steady: true };
        match &self.states {
            None => without(status::FAULTED),
            Some(states) => match states.get(&tid) {
                None => without(status::NO_PYTHON_FRAME),
                Some(states) => self.walk(self.choose(states)),
            },
        }
    }

    fn waits_for_gil(&self, sleeps_in: SleepsIn) -> bool {
        self.interpreter.waits_for_gil(&self.memory, sleeps_in)
    }

    fn walk(&self, thread_state: u64) -> WalkedThread {
        let layout = &self.interpreter.python.layout;
        let top = |memory: &dyn Memory| walk::top_frame(memory, layout, thread_state).ok();
        let pages = Pages::new(&self.memory);
        let before = top(&pages);
        let walk = walk::walk(&pages, layout, thread_state, self.depth);
        WalkedThread { walk, steady: before == top(&self.memory) }
    }

    /// Of several thread states of one thread, the one that it uses now: what its slot holds, else one with frames.
    fn choose(&self, states: &[ThreadState]) -> u64 {
        if let [only] = states {
            return only.address;
        }
        let in_slot = |state: &&ThreadState| {
            self.interpreter.thread_state_of(&self.memory, state.thread_id) == Some(state.address)
        };
        let has_frames = |state: &&ThreadState| {
            let top = walk::top_frame(&self.memory, &self.interpreter.python.layout, state.address);
            top.is_ok_and(|top| top != 0)
        };
        let chosen = states.iter().find(in_slot).or_else(|| states.iter().find(has_frames));
        chosen.unwrap_or(&states[0]).address
    }
}
