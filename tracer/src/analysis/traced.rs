//! The processes that are traced: what they are, where they came from, how they ended.

mod known;

use std::collections::HashMap;

use self::known::{Executed, Forked, KnownEnd, KnownProcess};
use super::zombies::notice::death_notice;
use crate::event::{Bytes, Event, Exec, Exit, Fork, Nanos, Pid, ProcessDescription, SignalGenerate, Task};
use crate::report::{self, Bounded};
use crate::symbols::Symbols;

/// Processes that are kept after their end.
const ENDED: usize = 4_096;
/// Processes that live at a time.
const LIVING: usize = 32_768;
/// How many others may be let go before the message of a reaping arrives: it comes from another CPU.
const LATELY: usize = 64;

/// Every traced process.
#[derive(Debug, Default)]
pub struct Traced {
    /// By pid: those that live, and those whose pid has not been given away again.
    current: HashMap<Pid, KnownProcess>,
    /// Those that the kernel has let go of.
    ended: Vec<KnownProcess>,
    /// How many more there were.
    omitted: u64,
    seen: u64,
}

/// A traced process in time.
#[derive(Clone, Debug)]
pub struct ProcessLife<'a> {
    pub pid: Pid,
    /// Its parent when it was first seen.
    pub ppid: Pid,
    pub comm: &'a Bytes,
    pub pgid: Option<Pid>,
    /// `None` if it lived before the window.
    pub born: Option<Nanos>,
    /// When it ended, and its wait status.
    pub ended: Option<(Nanos, u32)>,
}

impl ProcessLife<'_> {
    /// Whether it was there at that time.
    pub fn is_alive_at(&self, at: Nanos) -> bool {
        self.born.is_none_or(|born| born <= at) && self.ended.is_none_or(|(end, _)| end > at)
    }
}

impl Traced {
    /// Takes what the event says of a process.
    pub fn fold(&mut self, event: &Event) {
        match event {
            Event::Process(process) => self.describe(process),
            Event::Fork(fork) if fork.followed && fork.is_process() => self.fork(fork),
            Event::Exec(exec) => self.exec(exec),
            Event::ThreadName { task, comm } if task.tid == task.pid => self.rename(task.pid, comm),
            Event::Exit(exit) => self.end(exit),
            Event::Reaped { at, by, child, .. } => self.reap(*at, *by, *child),
            Event::SignalGenerate(signal) => self.notify(signal),
            Event::Free { pid, .. } => self.free(*pid),
            _ => {}
        }
    }

    /// Whether this process is traced.
    pub fn contains(&self, pid: Pid) -> bool {
        self.current.contains_key(&pid)
    }

    /// What is known of a process that has its pid still.
    pub fn described(&self, pid: Pid) -> Option<&ProcessDescription> {
        self.current.get(&pid).map(|known| &known.process)
    }

    /// The name of a traced process.
    pub fn comm(&self, pid: Pid) -> Option<&Bytes> {
        self.current.get(&pid).map(|known| &known.process.comm)
    }

    /// Whether it has executed another program, and that is none of Python's by its name: a shell's `sed`
    /// may end before it was probed.
    pub fn is_no_python(&self, pid: Pid) -> bool {
        let of_pid = || self.ended.iter().rev().find(|known| known.process.pid == pid);
        let known = self.current.get(&pid).or_else(of_pid);
        let is_named = |process: &ProcessDescription| process.comm.starts_with(b"python");
        known.is_some_and(|known| {
            known.executed.is_some() && known.process.python.is_none() && !is_named(&known.process)
        })
    }

    /// The wait status of a traced process that has ended lately.
    pub fn wait_status(&self, pid: Pid) -> Option<u32> {
        let lately = || self.ended.iter().rev().take(LATELY).find(|known| known.process.pid == pid);
        let known = self.current.get(&pid).filter(|known| known.ended.is_some()).or_else(lately)?;
        known.ended.map(|ended| ended.wait_status)
    }

    /// When each of them lived, and where it belonged.
    pub fn lives(&self) -> impl Iterator<Item = ProcessLife<'_>> {
        let mut known: Vec<_> = self.ended.iter().chain(self.current.values()).collect();
        known.sort_by_key(|known| known.number);
        known.into_iter().map(|known| ProcessLife {
            pid: known.process.pid,
            ppid: known.process.ppid,
            comm: &known.process.comm,
            pgid: known.process.groups.map(|groups| groups.pgid),
            born: known.born(),
            ended: known.ended.map(|ended| (ended.at, ended.wait_status)),
        })
    }

    /// The versions of CPython among the processes.
    pub fn pythons(&self) -> impl Iterator<Item = &str> {
        self.ended.iter().chain(self.current.values()).filter_map(|known| known.process.python.as_deref())
    }

    /// The rows of the report: the roots, then the others as they appeared.
    pub fn finish(&self, symbols: &Symbols) -> Bounded<report::TargetProcess> {
        let mut known: Vec<_> = self.ended.iter().chain(self.current.values()).collect();
        known.sort_by_key(|known| (!known.process.root, known.number));
        let mut rows: Bounded<_> = known.into_iter().map(|known| known.row(symbols)).collect();
        if self.omitted > 0 {
            rows.rest.get_or_insert_default().omitted += self.omitted;
        }
        rows
    }

    fn describe(&mut self, process: &ProcessDescription) {
        let Some(known) = self.known(process.pid) else { return };
        let before = std::mem::take(&mut known.process);
        let ppid = if before.pid == 0 { process.ppid } else { before.ppid };
        // One that has ended meanwhile shows nothing of itself any more.
        let comm = if process.comm.is_empty() { before.comm } else { process.comm.clone() };
        let title = if process.title.is_empty() { before.title } else { process.title.clone() };
        let exe = process.exe.clone().or(before.exe);
        let (groups, cgroup) = (process.groups.or(before.groups), process.cgroup.clone().or(before.cgroup));
        let born = process.born.or(before.born);
        known.process =
            ProcessDescription { ppid, comm, title, exe, groups, cgroup, born, ..process.clone() };
    }

    /// A child is what its parent was, until it is probed or executes another program.
    fn fork(&mut self, fork: &Fork) {
        self.free(fork.child.pid);
        let parent = self.current.get(&fork.parent.pid).map(|parent| parent.process.clone());
        let Some(known) = self.known(fork.child.pid) else {
            self.omitted += 1;
            return;
        };
        known.forked = Some(Forked { at: fork.at, stack: fork.stack, how: fork.how });
        known.process = ProcessDescription {
            pid: fork.child.pid,
            namespace_pid: fork.namespace_pid(),
            ppid: fork.parent.pid,
            comm: fork.comm.clone(),
            root: false,
            groups: Some(fork.groups),
            ..parent.unwrap_or_default()
        };
    }

    fn exec(&mut self, exec: &Exec) {
        let Some(known) = self.current.get_mut(&exec.task.pid) else { return };
        known.executed = Some(Executed { arguments: exec.arguments.clone(), cut: exec.cut });
        let process = &mut known.process;
        process.comm = exec.comm.clone();
        process.exe = Some(exec.path.clone());
        process.title = exec.title();
        (process.python, process.free_threaded) = (None, None);
        process.groups = Some(exec.groups);
    }

    fn rename(&mut self, pid: Pid, comm: &Bytes) {
        if let Some(known) = self.current.get_mut(&pid) {
            known.process.comm = comm.clone();
        }
    }

    fn end(&mut self, exit: &Exit) {
        let Some(known) = self.current.get_mut(&exit.task.pid) else { return };
        known.leaving.fold(exit);
        if exit.last_thread {
            let Exit { at, wait_status, out_of_memory, .. } = *exit;
            known.ended = Some(KnownEnd { at, wait_status, out_of_memory });
            known.process.groups = Some(exit.groups);
        }
    }

    /// The kernel may have let go of it by the time that its parent has its status.
    fn reap(&mut self, at: Nanos, by: Task, child: Pid) {
        let lately = self.ended.iter_mut().rev().take(LATELY);
        let known =
            self.current.get_mut(&child).into_iter().chain(lately.filter(|known| known.process.pid == child));
        if let Some(known) = known.into_iter().find(|known| known.ended.is_some() && known.reaped.is_none()) {
            known.reaped = Some((at, by));
        }
    }

    /// Where others trace a child they are notified before its parent is.
    fn notify(&mut self, signal: &SignalGenerate) {
        let child = death_notice(signal).and_then(|pid| self.current.get_mut(&pid));
        if let Some(child) =
            child.filter(|child| child.process.ppid == signal.target.pid || child.notified.is_none())
        {
            child.notified = Some(signal.target.pid);
        }
    }

    /// Its pid may be given to another process from now on. Returns of system calls may not be watched: but only
    /// a parent that was notified of its end, and is there still, can have waited for it.
    fn free(&mut self, pid: Pid) {
        let Some(mut known) = self.current.remove(&pid) else { return };
        let lives = |parent: &Pid| self.current.get(parent).is_some_and(|parent| parent.ended.is_none());
        known.reaper = known.notified.filter(|parent| known.ended.is_some() && lives(parent));
        if self.ended.len() < ENDED || known.process.root {
            self.ended.push(known);
        } else {
            self.omitted += 1;
        }
    }

    /// `None` if there are too many.
    fn known(&mut self, pid: Pid) -> Option<&mut KnownProcess> {
        if self.current.len() >= LIVING && !self.current.contains_key(&pid) {
            return None;
        }
        let known = self.current.entry(pid).or_insert_with(|| {
            self.seen += 1;
            KnownProcess { number: self.seen, ..KnownProcess::default() }
        });
        Some(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples::{bytes, exec, exit, fork, process, signal, symbols_of, task};
    use crate::event::SignalInfo;

    fn folded(events: &[Event]) -> Traced {
        let mut traced = Traced::default();
        events.iter().for_each(|event| traced.fold(event));
        traced
    }

    #[test]
    fn processes_whose_ends_are_not_seen_take_no_more_room() {
        let forks: Vec<_> = (8..100_008).map(|pid| fork(1, 7, pid, 0)).collect();
        let traced = folded(&forks);
        assert_eq!(traced.current.len(), LIVING);
        let rows = traced.finish(&symbols_of(&[]));
        assert_eq!(rows.rows.len() as u64 + rows.rest.map_or(0, |rest| rest.omitted), 100_000);
    }

    #[test]
    fn a_process_is_known_as_well_as_it_can_be() {
        let python =
            ProcessDescription { ppid: 1, python: Some("3.12.1".into()), root: true, ..process(7, "python") };
        let probed = ProcessDescription { ppid: 7, python: Some("3.8.1".into()), ..process(8, "py38") };
        let root = Event::Process(python);
        let renamed = Event::ThreadName { task: task(8, 8), comm: bytes("worker") };
        for (name, events, comm, title, version) in [
            ("as its parent", vec![], "python", "python title", Some("3.12.1")),
            ("renamed", vec![renamed.clone()], "worker", "python title", Some("3.12.1")),
            ("another program", vec![exec(6, 8, &["sleep", "9"])], "sleep", "sleep 9", None),
            (
                "probed",
                vec![exec(6, 8, &["sleep", "9"]), Event::Process(probed)],
                "py38",
                "py38 title",
                Some("3.8.1"),
            ),
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
    fn who_waited_is_known_without_its_call() {
        let root = || Event::Process(ProcessDescription { root: true, ..process(7, "python") });
        let info = SignalInfo::Code { code: 1, pid: 8 };
        let sigchld = || Event::SignalGenerate(SignalGenerate { info, ..signal(17, task(8, 8), task(7, 7)) });
        let (dies, free) = (exit(2, 8, 7, 0), Event::Free { at: 9, pid: 8 });
        let waits = Event::Reaped { at: 5, by: task(7, 9), child: 8, of_earlier: false };
        for (name, events, expected) in [
            ("its call is seen", vec![dies.clone(), sigchld(), waits, free.clone()], (Some(7), Some(5))),
            ("it is not", vec![dies.clone(), sigchld(), free.clone()], (Some(7), None)),
            ("no parent had to", vec![dies.clone(), free.clone()], (None, None)),
            ("it has ended", vec![dies.clone(), sigchld(), exit(3, 7, 1, 0), free], (None, None)),
            ("no parent has", vec![dies, sigchld()], (None, None)),
        ] {
            let rows =
                folded(&[vec![root(), fork(1, 7, 8, 0)], events].concat()).finish(&symbols_of(&[])).rows;
            let child = rows.iter().find(|row| row.pid == 8).unwrap();
            assert_eq!((child.reaped_by, child.reaped_at_ns), expected, "{name}");
        }
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
