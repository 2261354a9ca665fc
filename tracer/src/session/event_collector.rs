//! Takes in what the probes send, and hands events on to the analysis.

use std::sync::Arc;
use std::time::Instant;

use crate::analysis::Analysis;
use crate::decode::{self, Message};
use crate::event::{Event, Fork, Nanos, Pid, ProcessDescription, SpaceId};
use crate::process::Process;
use crate::python::Interpreter;
use crate::recording::RecordCounts;
use crate::report::Shed;
use crate::timeline::children::Stat;
use crate::timeline::{Children, InterpreterProbes, Lives, Names, Spaces};

use super::baseline::asleep::SleepingThread;
use super::baseline::window;
use super::cpu::CpuTime;
use super::descriptions::Descriptions;

/// Where events go besides the analysis: a stream for others to read, a rule that ends the run.
pub trait Listener {
    /// One event, with what ids stand for.
    fn event(&mut self, event: &Event, names: &Names);
}

/// The state of a run between two messages.
pub struct EventCollector<L> {
    start_ns: Nanos,
    /// What ids stand for.
    pub names: Names,
    /// Which interpreter lives where.
    pub spaces: Spaces,
    /// Which process a pid means.
    lives: Lives,
    /// Parents and children.
    pub children: Children,
    /// Processes that have begun another program.
    pub interpreter_probes: InterpreterProbes,
    /// Where everything ends up.
    pub analysis: Analysis,
    cpu: CpuTime,
    descriptions: Descriptions,
    records: RecordCounts,
    /// What else wants events.
    pub listener: L,
}

impl<L: Listener> EventCollector<L> {
    /// For a window that has still to start.
    pub fn new(listener: L) -> Self {
        Self {
            start_ns: Nanos::MAX,
            names: Names::default(),
            spaces: Spaces::default(),
            lives: Lives::default(),
            children: Children::default(),
            interpreter_probes: InterpreterProbes::default(),
            analysis: Analysis::default(),
            cpu: CpuTime::default(),
            descriptions: Descriptions::default(),
            records: RecordCounts::default(),
            listener,
        }
    }

    /// The window starts then.
    pub fn start(&mut self, start_ns: Nanos) {
        self.start_ns = start_ns;
    }

    /// One message of the ring buffer.
    pub fn message(&mut self, bytes: &[u8]) {
        let spaces = &self.spaces;
        let is_python = |pid, handler, function| spaces.is_python(pid, handler, function);
        let message = decode::message(bytes, self.start_ns, is_python);
        self.records.decoded += u64::from(message.as_ref().is_ok_and(Message::is_record));
        match message {
            Ok(Message::Event(event)) => self.event(event),
            Ok(Message::Stack(stack)) => self.names.stack(&stack, &self.spaces),
            Ok(Message::Code(code)) => self.names.code(&code, &self.spaces),
            Ok(Message::File(id, file)) => self.names.symbols.insert_file(id, file),
            Err(decode::Corrupt) => self.records.corrupt += 1,
        }
    }

    /// One event, wherever it comes from. Some have others follow from them: before, or after.
    pub fn event(&mut self, mut event: Event) {
        self.lives.fold(&mut event);
        self.cpu.fold(&event);
        if let Some(stack) = event.stack_mut() {
            *stack = self.names.symbols.stacks.first(*stack);
        }
        self.follow_process(&mut event);
        self.names.sites(&event, &self.spaces);
        if let Event::Switches { key, still_blocked: 1, .. } = &event
            && key.task.tid == key.task.pid
        {
            self.event(Event::Doing { pid: key.task.pid, stack: key.stack });
        }
        if let Some(before) = self.children.fold(&event) {
            self.event(before);
        }
        self.analysis.fold(&event);
        self.listener.event(&event, &self.names);
        if let Event::Fork(fork) = &event {
            self.describe_young(fork);
        }
    }

    /// Which processes there are, and where they live.
    fn follow_process(&mut self, event: &mut Event) {
        match event {
            Event::Process(process) => self.descriptions.admit(process),
            Event::Fork(fork) if fork.followed && fork.is_process() => self.fork(fork),
            Event::Exec(exec) => {
                self.spaces.leave(exec.task.pid);
                self.interpreter_probes.begin(exec.task.pid, Instant::now());
                self.descriptions.exec(exec);
            }
            Event::Exit(exit) if exit.last_thread => {
                if exit.out_of_memory {
                    self.describe(self.descriptions.with_control_group(exit.task.pid));
                }
                self.interpreter_probes.end(exit.task.pid);
                self.spaces.leave(exit.task.pid);
            }
            Event::Free { pid, .. } => self.descriptions.free(*pid),
            _ => {}
        }
    }

    fn describe(&mut self, process: Option<ProcessDescription>) {
        process.into_iter().for_each(|process| self.event(Event::Process(process)));
    }

    fn fork(&mut self, fork: &Fork) {
        if let Some(freed) = self.lives.begin(fork) {
            self.event(freed);
        }
        self.spaces.fork(fork.parent.pid, fork.child.pid, self.lives.id(fork.child.pid));
        self.descriptions.fork(fork);
    }

    /// A child is what its parent was, and a thread is called as the one that made it.
    fn describe_young(&mut self, fork: &Fork) {
        if fork.followed && fork.is_process() {
            self.describe(self.descriptions.child(fork));
        }
        self.event(Event::ThreadName { task: fork.child, comm: fork.comm.clone() });
    }

    /// A process that has begun another program turned out to be this Python, or none.
    pub fn describe_probed(&mut self, process: &Process, interpreter: Option<(SpaceId, Arc<Interpreter>)>) {
        let described = self
            .descriptions
            .of_program(process, interpreter.as_ref().map(|(_, interpreter)| &**interpreter));
        if let Some((space, interpreter)) = interpreter {
            self.spaces.insert(process.pid, self.lives.id(process.pid), space, interpreter);
        }
        self.event(Event::Process(described));
    }

    /// A thread that has slept since before the window.
    pub fn add_sleeping_thread(&mut self, thread: SleepingThread) {
        if let Some(stack) = &thread.stack {
            self.names.stack(stack, &self.spaces);
        }
        if let Some((id, file)) = thread.file {
            self.names.symbols.insert_file(id, file);
        }
    }

    /// What is true at the end of the window.
    pub fn end(&mut self, at: Nanos, stat: impl Fn(Pid) -> Option<Stat>) {
        for event in self.children.reparented(at, &stat) {
            self.event(event);
        }
        for pid in self.children.zombies(&stat) {
            self.event(Event::ZombieAtEnd { pid });
        }
        let undecided: Vec<_> = self.analysis.undecided_signals().collect();
        let pending = undecided.into_iter().filter_map(|(pid, tids)| window::signals_pending(pid, tids));
        for pending in pending {
            self.event(Event::SignalsPending(pending));
        }
        let pids: Vec<_> = self.descriptions.pids().collect();
        pids.into_iter().for_each(|pid| self.describe(self.descriptions.renewed(pid)));
    }

    /// Reads titles and names again, once, of each process that has lived for so long.
    pub fn refresh_after(&mut self, now: Nanos, age: Nanos) {
        while let Some(pid) = self.descriptions.next_of_age(now, age) {
            self.describe(self.descriptions.renewed(pid));
        }
    }

    /// CPU time of all processes, those that have ended included.
    pub fn cpu_ns(&mut self) -> Nanos {
        self.cpu.total(self.descriptions.pids(), window::cpu_ns)
    }

    /// That command lines were cut.
    pub fn titles_cut(&self, at_ns: Nanos) -> Option<Shed> {
        self.descriptions.cut(at_ns)
    }

    /// What became of names and stacks.
    #[must_use]
    pub fn records(&self) -> RecordCounts {
        self.records
    }
}
