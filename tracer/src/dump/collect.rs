//! Reads each thread in the way that fits it, until all have been seen.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::context::DumpContext;
use super::model::{Dump, DumpedThread, State, Status};
use super::names::DumpNames;
use super::sampler::Sampler;
use super::seen::{GilHolders, SeenThread, state_of, status_of};
use crate::attach;
use crate::event::{Bytes, Pid, StackStatus, Task, Tid};
use crate::process::{Deadline, Error};
use crate::python::{Asleep, asleep};
use crate::report::{self, Name, Target};
use crate::roots::Root;

/// Times that threads which run are read before the kernel is asked about them: most only woke up for a moment.
const READS: u32 = 3;
const BETWEEN_READS: Duration = Duration::from_millis(1);
/// How long threads that run are sampled at most: one that has not been seen by then waits for a CPU.
const SAMPLING: Duration = Duration::from_millis(100);
const BETWEEN_SAMPLES: Duration = Duration::from_millis(10);

/// The threads of some processes, as far as they have been seen.
pub struct ThreadReader<'a> {
    roots: &'a [Root],
    depth: u32,
    names: DumpNames,
    seen: BTreeMap<Task, SeenThread>,
    /// They ran, or moved, whenever they were read.
    awake: BTreeSet<Task>,
}

impl<'a> ThreadReader<'a> {
    /// Of these processes.
    pub fn new(roots: &'a [Root], depth: u32) -> Self {
        let names = DumpNames::new(roots);
        Self { roots, depth, names, seen: BTreeMap::new(), awake: BTreeSet::new() }
    }

    /// Reads all threads, and again those that ran.
    ///
    /// # Errors
    /// When a process is gone.
    pub fn collect(&mut self) -> Result<(), Error> {
        for root in self.roots {
            let tids = root.process.threads()?;
            self.awake.extend(tids.into_iter().map(|tid| Task { pid: root.process.pid, tid }));
        }
        self.read_sleeping_threads(|_| true);
        for _ in 1..READS {
            if !self.awake.is_empty() {
                sleep(BETWEEN_READS);
                self.read_sleeping_threads(fell_asleep);
            }
        }
        Ok(())
    }

    /// Keeps those threads that sleep, if they count, and those that have ended.
    fn read_sleeping_threads(&mut self, counts: fn(&Asleep) -> bool) {
        for root in self.roots {
            let tids = self.awake_in(root.process.pid);
            let (python, depth) = (root.interpreter.as_ref(), self.depth as usize);
            let limit = asleep::patience(tids.len());
            let (described, _) = root.process.described(&tids, Deadline::after(limit));
            let (found, _) = asleep::of_threads(
                &root.process,
                python,
                &described,
                depth,
                asleep::ReadingTime { limit, certain: 0 },
            );
            let holders = gil_holders(root);
            for thread in found.into_iter().filter(|thread| !thread.torn && counts(thread)) {
                let status = status_of(StackStatus::from_wire(thread.status));
                self.keep_walk(root, thread, status, &holders);
            }
            for tid in self.awake_in(root.process.pid) {
                self.forget_ended(root, tid);
            }
        }
    }

    fn awake_in(&self, pid: Pid) -> Vec<Tid> {
        self.awake.iter().filter(|task| task.pid == pid).map(|task| task.tid).collect()
    }

    fn keep_walk(&mut self, root: &Root, thread: Asleep, status: Status, holders: &GilHolders) {
        let (task, sleeps_in, waits_for_gil) = (thread.task, thread.sleeps_in, thread.waits_for_gil);
        let state = state_of(thread.thread.state);
        let (name, namespace_tid) = (Some(thread.thread.name), thread.thread.namespace_tid);
        let stack = self.names.walked(root.space, task, thread.status, thread.frames);
        self.keep(
            task,
            SeenThread {
                name,
                namespace_tid,
                state,
                sleeps_in,
                waits_for_gil,
                stack,
                status,
                gil_holders: holders.clone(),
            },
        );
    }

    fn keep(&mut self, task: Task, seen: SeenThread) {
        self.awake.remove(&task);
        self.seen.insert(task, seen);
    }

    fn forget_ended(&mut self, root: &Root, tid: Tid) {
        let task = Task { pid: root.process.pid, tid };
        match root.process.thread(tid) {
            Err(_gone) => _ = self.awake.remove(&task),
            Ok(thread) if state_of(thread.state) == State::Zombie => {
                self.keep(task, SeenThread::ended(thread))
            }
            Ok(_) => {}
        }
    }

    /// Samples the threads that run, if there are any.
    ///
    /// # Errors
    /// When the kernel does not take the probes.
    pub fn sample(&mut self) -> Result<Option<Sampler>, attach::Error> {
        if self.awake.is_empty() {
            return Ok(None);
        }
        let mut sampler = Sampler::start(self.roots, self.depth)?;
        let began = Instant::now();
        while !self.awake.is_empty() && began.elapsed() < SAMPLING {
            sleep(BETWEEN_SAMPLES);
            self.take_samples(&mut sampler)?;
            self.read_sleeping_threads(fell_asleep);
        }
        Ok(Some(sampler))
    }

    fn take_samples(&mut self, sampler: &mut Sampler) -> Result<(), attach::Error> {
        let samples = sampler.take(&mut self.names)?;
        for root in self.roots {
            let holders = gil_holders(root);
            for (&task, &sample) in samples.iter().filter(|(task, _)| task.pid == root.process.pid) {
                if self.awake.contains(&task) {
                    let thread = root.process.thread(task.tid).ok();
                    self.keep(task, SeenThread::running(task.tid, thread, sample, holders.clone()));
                }
            }
        }
        Ok(())
    }

    /// What is left may sleep by now; else it could only be read while it moved.
    pub fn guess(&mut self) {
        self.read_sleeping_threads(|_| true);
        for root in self.roots {
            let Some(interpreter) = &root.interpreter else { continue };
            let (tids, holders) = (self.awake_in(root.process.pid), gil_holders(root));
            for thread in asleep::moving(&root.process, interpreter, &tids, self.depth as usize) {
                self.keep_walk(root, thread, Status::Torn, &holders);
            }
        }
    }

    /// Puts the object together.
    pub fn finish(self) -> Dump {
        let threads = self.roots.iter().flat_map(|root| self.threads_of(root)).collect();
        Dump { schema: Dump::SCHEMA, target: target(self.roots), threads }
    }

    fn threads_of(&self, root: &Root) -> Vec<DumpedThread> {
        let of_root = || self.seen.iter().filter(|(task, _)| task.pid == root.process.pid);
        let tids: Vec<_> = of_root().map(|(_, seen)| seen.namespace_tid).collect();
        let context = DumpContext::new(root, &tids);
        of_root().map(|(task, seen)| self.thread(root, task.tid, seen, context.as_ref())).collect()
    }

    fn thread(
        &self,
        root: &Root,
        tid: Tid,
        seen: &SeenThread,
        context: Option<&DumpContext<'_>>,
    ) -> DumpedThread {
        let inside = seen.namespace_tid;
        DumpedThread {
            pid: root.process.pid,
            tid,
            namespace_tid: (inside != tid).then_some(inside),
            name: seen.name.map(|name| Name::from(Bytes::from(name))),
            state: seen.state,
            sleeps_in: seen.syscall(),
            waits_for: seen.waits_for_gil.then_some("gil"),
            holds_gil: context
                .and_then(|context| Some(context.is_among(inside, seen.gil_holders.as_deref()?))),
            task: context.and_then(|context| context.task(inside)).map(Name::from),
            stack: self.names.stack(seen.stack),
            status: seen.status,
        }
    }
}

/// A thread that ran a moment ago and waits for the GIL now still has work to do: it is to be seen at that.
fn fell_asleep(thread: &Asleep) -> bool {
    !thread.waits_for_gil
}

fn gil_holders(root: &Root) -> GilHolders {
    Some(root.interpreter.as_deref()?.gil_holders(&root.process.memory())?.into())
}

fn target(roots: &[Root]) -> Target {
    Target {
        pids: roots.iter().map(|root| root.process.pid).collect(),
        processes: roots.iter().map(process).collect(),
    }
}

fn process(root: &Root) -> report::TargetProcess {
    let known = root.describe();
    report::TargetProcess {
        pid: known.pid,
        namespace_pid: known.namespace_pid,
        ppid: known.ppid,
        comm: Name::from(known.comm),
        title: Name::from(known.title),
        exe: known.exe.map(Name::from),
        python: known.python.map(Name::from),
        free_threaded: known.free_threaded,
        root: known.root,
        ..report::TargetProcess::default()
    }
}
