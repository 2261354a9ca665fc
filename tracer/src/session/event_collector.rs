//! Takes in what the probes send, and hands events on to the analysis.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::analysis::Analysis;
use crate::decode::{self, Message};
use crate::event::{self, Event, Exec, Fork, Nanos, Pid};
use crate::process::Process;
use crate::process::cgroup::cgroup_of_zombie;
use crate::python::Interpreter;
use crate::recording::RecordCounts;
use crate::redact;
use crate::report::Shed;
use crate::timeline::children::Stat;
use crate::timeline::{Children, InterpreterProbes, Lives, Names, Spaces};

use super::baseline::asleep::Sleeper;
use super::baseline::window;
use super::cpu::CpuTime;
use super::roots::describe;
use super::titles::Titles;

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
    processes: HashMap<Pid, event::ProcessDescription>,
    /// Those that were born in the window and have not been looked at since, with their time of birth.
    young: VecDeque<(Nanos, Pid)>,
    records: RecordCounts,
    titles: Titles,
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
            processes: HashMap::new(),
            young: VecDeque::new(),
            records: RecordCounts::default(),
            titles: Titles::default(),
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

    /// One event, wherever it comes from.
    pub fn event(&mut self, mut event: Event) {
        self.lives.fold(&mut event);
        self.cpu.fold(&event);
        if let Some(stack) = event.stack_mut() {
            *stack = self.names.symbols.stacks.first(*stack);
        }
        match &event {
            Event::Fork(fork) if fork.followed && fork.child.pid != fork.parent.pid => self.fork(fork),
            Event::Exec(exec) => self.exec(exec),
            Event::Exit(exit) if exit.last_thread => {
                if exit.out_of_memory {
                    self.find_control_group(exit.task.pid);
                }
                self.interpreter_probes.end(exit.task.pid);
                self.spaces.leave(exit.task.pid);
            }
            Event::Free { pid, .. } => _ = self.processes.remove(pid),
            _ => {}
        }
        if let Event::Process(process) = &mut event {
            self.titles.admit(process, self.processes.get(&process.pid));
            self.processes.insert(process.pid, process.clone());
        }
        self.names.sites(&event, &self.spaces);
        if let Event::Switches { key, still_blocked: 1, .. } = &event
            && key.tid == key.pid
        {
            self.event(Event::Doing { pid: key.pid, stack: key.stack });
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

    /// Whose memory ran out: a process may have been moved since it was looked at.
    fn find_control_group(&mut self, pid: Pid) {
        let known = self.processes.get(&pid).cloned();
        if let (Some(known), Some(cgroup)) = (known, cgroup_of_zombie(pid).map(redact::group)) {
            self.event(Event::Process(event::ProcessDescription { cgroup: Some(cgroup), ..known }));
        }
    }

    fn fork(&mut self, fork: &Fork) {
        if let Some(freed) = self.lives.begin(fork) {
            self.event(freed);
        }
        self.spaces.fork(fork.parent.pid, fork.child.pid, self.lives.id(fork.child.pid));
        self.young.push_back((fork.at, fork.child.pid));
    }

    /// A child is what its parent was, until it says otherwise; and a thread is called as the one that made it.
    fn describe_young(&mut self, fork: &Fork) {
        let is_process = fork.child.pid != fork.parent.pid;
        if is_process
            && fork.followed
            && let Some(parent) = self.processes.get(&fork.parent.pid)
        {
            let process = event::ProcessDescription {
                pid: fork.child.pid,
                namespace_pid: fork.namespace_pid(),
                ppid: parent.pid,
                root: false,
                groups: Some(fork.groups),
                born: None,
                ..parent.clone()
            };
            self.event(Event::Process(process));
        }
        self.event(Event::ThreadName { task: fork.child, comm: fork.comm.clone() });
    }

    fn exec(&mut self, exec: &Exec) {
        let pid = exec.task.pid;
        self.spaces.leave(pid);
        self.interpreter_probes.begin(pid, Instant::now());
        if let Some(process) = self.processes.get_mut(&pid) {
            process.comm = exec.comm.clone();
            process.title = exec.title();
            (process.exe, process.python, process.free_threaded) = (None, None, None);
        }
    }

    /// A process that has begun another program turned out to be this Python, or none.
    pub fn looked(&mut self, process: &Process, interpreter: Option<(u64, Arc<Interpreter>)>) {
        if let Some((space, interpreter)) = &interpreter {
            self.spaces.insert(process.pid, self.lives.id(process.pid), *space, interpreter.clone());
        }
        let described = describe(process, interpreter.as_ref().map(|(_, interpreter)| &**interpreter));
        let root = self.processes.get(&process.pid).is_some_and(|known| known.root);
        self.event(Event::Process(event::ProcessDescription { root, ..described }));
    }

    /// A thread that has slept since before the window.
    pub fn sleeper(&mut self, sleeper: Sleeper) {
        if let Some(stack) = &sleeper.stack {
            self.names.stack(stack, &self.spaces);
        }
        if let Some((id, file)) = sleeper.file {
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
        for pending in undecided.into_iter().filter_map(window::signals_pending) {
            self.event(Event::SignalsPending(pending));
        }
        let pids: Vec<_> = self.processes.keys().copied().collect();
        self.refresh(pids);
    }

    /// Reads titles and names again, once, of each process that has lived for so long: a worker has set its title by then.
    pub fn refresh_after(&mut self, now: Nanos, age: Nanos) {
        while let Some((_, pid)) = self.young.pop_front_if(|(born, _)| *born + age <= now) {
            self.refresh([pid]);
        }
    }

    /// Titles and names as they stand now: programs change theirs.
    fn refresh(&mut self, pids: impl IntoIterator<Item = Pid>) {
        for process in pids.into_iter().filter_map(|pid| Process::open(pid).ok()) {
            let Some(known) = self.processes.get(&process.pid) else { continue };
            let now = describe(&process, None);
            let (python, free_threaded) = (known.python.clone(), known.free_threaded);
            let (gil, gil_holder) = (known.gil, known.gil_holder);
            let root = known.root;
            let now = event::ProcessDescription { python, free_threaded, gil, gil_holder, root, ..now };
            self.event(Event::Process(now));
        }
    }

    /// CPU time of all processes, those that have ended included.
    pub fn cpu_ns(&mut self) -> Nanos {
        self.cpu.total(self.processes.keys().copied(), window::cpu_ns)
    }

    /// That command lines were cut.
    pub fn titles_cut(&self, at_ns: Nanos) -> Option<Shed> {
        self.titles.cut(at_ns)
    }

    /// What became of names and stacks.
    #[must_use]
    pub fn records(&self) -> RecordCounts {
        self.records
    }
}
