//! The processes that are traced: what they are, where they came from, how they ended.

use std::collections::HashMap;

use super::lines;
use crate::event::{Bytes, Event, Exit, Fork, Nanos, Pid, Process, StackId};
use crate::report::{self, Bounded, Name};
use crate::symbols::Symbols;

/// Processes that are kept after their end.
const ENDED: usize = 4_096;

/// Every traced process.
#[derive(Debug, Default)]
pub struct Traced {
    /// By pid: those that live, and those whose pid has not been given away again.
    current: HashMap<Pid, Known>,
    /// Those that the kernel has let go of.
    ended: Vec<Known>,
    /// How many more there were.
    omitted: u64,
    seen: u64,
}

/// A traced process.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Order of appearance.
    number: u64,
    process: Process,
    forked: Option<(Nanos, StackId)>,
    ended: Option<Ended>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
struct Ended {
    at: Nanos,
    wait_status: u32,
}

impl Traced {
    /// Takes what the event says of a process.
    pub fn fold(&mut self, event: &Event) {
        match event {
            Event::Process(process) => self.describe(process),
            Event::Fork(fork) if fork.followed && fork.is_process() => self.fork(fork),
            Event::Exec { task, comm, path, arguments, .. } => self.exec(task.pid, comm, path, arguments),
            Event::ThreadName { task, comm } if task.tid == task.pid => self.rename(task.pid, comm),
            Event::Exit(exit) if exit.last_thread => self.end(exit),
            Event::Free { pid, .. } => self.free(*pid),
            _ => {}
        }
    }

    /// Whether this process is traced.
    pub fn contains(&self, pid: Pid) -> bool {
        self.current.contains_key(&pid)
    }

    /// The name of a traced process.
    pub fn comm(&self, pid: Pid) -> Option<&Bytes> {
        self.current.get(&pid).map(|known| &known.process.comm)
    }

    /// The wait status of a traced process that has ended lately.
    pub fn wait_status(&self, pid: Pid) -> Option<u32> {
        self.current.get(&pid)?.ended.map(|ended| ended.wait_status)
    }

    /// The versions of CPython among the processes.
    pub fn pythons(&self) -> impl Iterator<Item = &str> {
        self.ended.iter().chain(self.current.values()).filter_map(|known| known.process.python.as_deref())
    }

    /// The rows of the report: the roots, then the others as they appeared.
    pub fn finish(&self, symbols: &Symbols) -> Bounded<report::Process> {
        let mut known: Vec<_> = self.ended.iter().chain(self.current.values()).collect();
        known.sort_by_key(|known| (!known.process.root, known.number));
        let mut rows: Bounded<_> = known.into_iter().map(|known| known.row(symbols)).collect();
        if self.omitted > 0 {
            rows.rest.get_or_insert_default().omitted += self.omitted;
        }
        rows
    }

    fn describe(&mut self, process: &Process) {
        let known = self.known(process.pid);
        let ppid = if known.process.pid == 0 { process.ppid } else { known.process.ppid };
        known.process = Process { ppid, ..process.clone() };
    }

    /// A child is what its parent was, until it is looked at or executes another program.
    fn fork(&mut self, fork: &Fork) {
        self.free(fork.child.pid);
        let parent = self.current.get(&fork.parent.pid).map(|parent| parent.process.clone());
        let known = self.known(fork.child.pid);
        known.forked = Some((fork.at, fork.stack));
        known.process = Process {
            pid: fork.child.pid,
            ppid: fork.parent.pid,
            comm: fork.comm.clone(),
            root: false,
            ..parent.unwrap_or_default()
        };
    }

    fn exec(&mut self, pid: Pid, comm: &Bytes, path: &Bytes, arguments: &[Bytes]) {
        let Some(known) = self.current.get_mut(&pid) else { return };
        known.process.comm = comm.clone();
        known.process.exe = Some(path.clone());
        known.process.title = arguments.join(&b' ').into();
        known.process.python = None;
        known.process.free_threaded = None;
    }

    fn rename(&mut self, pid: Pid, comm: &Bytes) {
        if let Some(known) = self.current.get_mut(&pid) {
            known.process.comm = comm.clone();
        }
    }

    fn end(&mut self, exit: &Exit) {
        if let Some(known) = self.current.get_mut(&exit.task.pid) {
            known.ended = Some(Ended { at: exit.at, wait_status: exit.wait_status });
        }
    }

    /// Its pid may be given to another process from now on.
    fn free(&mut self, pid: Pid) {
        let Some(known) = self.current.remove(&pid) else { return };
        if self.ended.len() < ENDED || known.process.root {
            self.ended.push(known);
        } else {
            self.omitted += 1;
        }
    }

    fn known(&mut self, pid: Pid) -> &mut Known {
        self.current.entry(pid).or_insert_with(|| {
            self.seen += 1;
            Known { number: self.seen, ..Known::default() }
        })
    }
}

impl Fork {
    /// A process was made, not a thread.
    pub fn is_process(&self) -> bool {
        self.child.pid != self.parent.pid
    }
}

impl Known {
    fn row(&self, symbols: &Symbols) -> report::Process {
        let process = &self.process;
        report::Process {
            pid: process.pid,
            ppid: process.ppid,
            comm: Name::new(&process.comm),
            title: Name::new(&process.title),
            exe: process.exe.as_ref().map(Name::new),
            python: process.python.clone().map(Name::from),
            free_threaded: process.free_threaded,
            root: process.root,
            started_by: self.forked.and_then(|(_, stack)| lines::stack_of(symbols, stack)),
            at_ns: self.forked.map(|(at, _)| at),
            ended_at_ns: self.ended.map(|ended| ended.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples::{bytes, exit, fork, process, symbols_of, task};

    fn folded(events: &[Event]) -> Traced {
        let mut traced = Traced::default();
        events.iter().for_each(|event| traced.fold(event));
        traced
    }

    fn exec(pid: Pid) -> Event {
        let (path, arguments) = (bytes("/bin/sleep"), vec![bytes("sleep"), bytes("9")]);
        Event::Exec { at: 6, task: task(pid, pid), comm: bytes("sleep"), path, arguments }
    }

    #[test]
    fn a_process_is_known_as_well_as_it_can_be() {
        let python = Process { ppid: 1, python: Some("3.12.1".into()), root: true, ..process(7, "python") };
        let looked_at = Process { ppid: 7, python: Some("3.8.1".into()), ..process(8, "py38") };
        let root = Event::Process(python);
        let renamed = Event::ThreadName { task: task(8, 8), comm: bytes("worker") };
        for (name, events, comm, title, version) in [
            ("as its parent", vec![], "python", "python title", Some("3.12.1")),
            ("renamed", vec![renamed.clone()], "worker", "python title", Some("3.12.1")),
            ("another program", vec![exec(8)], "sleep", "sleep 9", None),
            ("looked at", vec![exec(8), Event::Process(looked_at)], "py38", "py38 title", Some("3.8.1")),
        ] {
            let events = [vec![root.clone(), fork(5, 7, 8, 1)], events, vec![exit(9, 8, 7, 0)]].concat();
            let rows = folded(&events).finish(&symbols_of(&[(1, &["a.py:3"])])).rows;
            let child = &rows[1];
            assert_eq!((child.pid, child.ppid, child.root), (8, 7, false), "{name}");
            assert_eq!((&child.comm, &child.title), (&comm.into(), &title.into()), "{name}");
            assert_eq!(child.python, version.map(Into::into), "{name}");
            assert_eq!((child.at_ns, child.ended_at_ns), (Some(5), Some(9)), "{name}");
            assert_eq!(child.started_by.as_ref().unwrap()[0].line, Some(3), "{name}");
        }
    }

    #[test]
    fn a_pid_that_is_used_again_is_another_process() {
        let again = [fork(1, 7, 8, 0), exit(2, 8, 7, 0), fork(3, 7, 8, 0)];
        let rows = folded(&again).finish(&symbols_of(&[])).rows;
        let lives: Vec<_> = rows.iter().map(|row| (row.pid, row.at_ns, row.ended_at_ns)).collect();
        assert_eq!(lives, [(8, Some(1), Some(2)), (8, Some(3), None)]);
    }

    #[test]
    fn threads_and_children_that_are_not_followed_are_no_traced_processes() {
        let Event::Fork(child) = fork(1, 7, 8, 0) else { unreachable!() };
        let thread = Event::Fork(Fork { child: task(7, 8), ..child.clone() });
        let let_go = Event::Fork(Fork { followed: false, ..child });
        let traced = folded(&[thread, let_go]);
        assert!(!traced.contains(8) && !traced.contains(7));
    }

    #[test]
    fn short_lives_without_number_are_counted() {
        let mut traced = Traced::default();
        for pid in 100..10_099 {
            traced.fold(&fork(1, 7, pid, 0));
            traced.fold(&Event::Free { at: 2, pid });
        }
        let rows = traced.finish(&symbols_of(&[]));
        assert_eq!(rows.rows.len() as u64 + rows.rest.unwrap().omitted, 9_999);
    }
}
