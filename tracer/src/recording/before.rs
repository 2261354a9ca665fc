//! What events before a window leave behind: who was there when it began, and how each was watched.

use std::collections::BTreeMap;

use crate::event::{Bytes, Event, Exec, Exit, Fork, GcSeen, Pid, ProcessDescription, Task};

/// A child that is not traced, or has ended.
#[derive(Clone, Debug)]
struct RecordedChild {
    ppid: Pid,
    /// Its name and wait status, if it is a zombie.
    ended: Option<(Bytes, Option<u32>)>,
}

/// What is known so far.
#[derive(Clone, Debug, Default)]
pub struct Before {
    processes: BTreeMap<Pid, ProcessDescription>,
    names: BTreeMap<(Pid, u32), Bytes>,
    children: BTreeMap<Pid, RecordedChild>,
    handlers: BTreeMap<Pid, (bool, bool)>,
    collections: BTreeMap<Pid, GcSeen>,
    loops: bool,
}

impl Before {
    /// Takes an event of the time before.
    pub fn fold(&mut self, event: Event) {
        match event {
            Event::Process(process) => self.describe(process),
            Event::ThreadName { task, comm } => {
                if let Some(process) = self.processes.get_mut(&task.pid).filter(|_| task.tid == task.pid) {
                    process.comm = comm.clone();
                }
                self.names.insert((task.pid, task.tid), comm);
            }
            Event::Fork(fork) if fork.is_process() => self.fork(&fork),
            Event::Exec(exec) => self.exec(exec),
            Event::Exit(exit) => self.exit(exit),
            Event::Reaped { child, of_earlier: false, .. } => self.gone(child),
            Event::Free { pid, .. } => self.gone(pid),
            Event::ZombieAtStart { pid, ppid, comm, wait_status } => {
                self.children.insert(pid, RecordedChild { ppid, ended: Some((comm, wait_status)) });
            }
            Event::ChildAtStart { pid, ppid } => {
                _ = self.children.insert(pid, RecordedChild { ppid, ended: None })
            }
            Event::Reparented { pid, new_ppid, .. } => {
                self.processes.entry(pid).and_modify(|process| process.ppid = new_ppid);
                self.children.entry(pid).and_modify(|child| child.ppid = new_ppid);
            }
            Event::HandlersWatched { pid, starts, ends, .. } => _ = self.handlers.insert(pid, (starts, ends)),
            Event::Collections { pid, seen, .. } => _ = self.collections.insert(pid, seen),
            Event::LoopsWatched => self.loops = true,
            _ => {}
        }
    }

    /// What a run that began now would have been sent first.
    pub fn into_events(self) -> impl Iterator<Item = Event> {
        let processes = self.processes.into_values().map(Event::Process);
        let names = self.names.into_iter();
        let names = names.map(|((pid, tid), comm)| Event::ThreadName { task: Task { pid, tid }, comm });
        let children = self.children.into_iter().map(|(pid, RecordedChild { ppid, ended })| match ended {
            None => Event::ChildAtStart { pid, ppid },
            Some((comm, wait_status)) => Event::ZombieAtStart { pid, ppid, comm, wait_status },
        });
        let handlers = self.handlers.into_iter();
        let handlers =
            handlers.map(|(pid, (starts, ends))| Event::HandlersWatched { at: 0, pid, starts, ends });
        let collections = self.collections.into_iter();
        let collections = collections.map(|(pid, seen)| Event::Collections { at: 0, pid, seen });
        let loops = self.loops.then_some(Event::LoopsWatched);
        processes.chain(names).chain(children).chain(handlers).chain(collections).chain(loops)
    }

    /// What has ended says nothing of itself any more.
    fn describe(&mut self, process: ProcessDescription) {
        let known = self.processes.remove(&process.pid).unwrap_or_default();
        let or = |new: Bytes, old: Bytes| if new.is_empty() { old } else { new };
        let merged = ProcessDescription {
            comm: or(process.comm, known.comm),
            title: or(process.title, known.title),
            exe: process.exe.or(known.exe),
            groups: process.groups.or(known.groups),
            cgroup: process.cgroup.or(known.cgroup),
            born: None, // before the window
            ..process
        };
        self.processes.insert(merged.pid, merged);
    }

    fn fork(&mut self, fork: &Fork) {
        self.gone(fork.child.pid);
        self.children.insert(fork.child.pid, RecordedChild { ppid: fork.parent.pid, ended: None });
    }

    fn exec(&mut self, exec: Exec) {
        if let Some(process) = self.processes.get_mut(&exec.task.pid) {
            process.title = exec.title();
            (process.comm, process.exe, process.groups) = (exec.comm, Some(exec.path), Some(exec.groups));
            (process.python, process.free_threaded) = (None, None);
        }
    }

    fn exit(&mut self, exit: Exit) {
        let pid = exit.task.pid;
        self.names.remove(&(pid, exit.task.tid));
        if exit.last_thread {
            let was_child = self.children.contains_key(&pid);
            self.gone(pid);
            if was_child {
                let ended = Some((exit.comm, Some(exit.wait_status)));
                self.children.insert(pid, RecordedChild { ppid: exit.parent, ended });
            }
        }
    }

    fn gone(&mut self, pid: Pid) {
        self.processes.remove(&pid);
        self.children.remove(&pid);
        self.handlers.remove(&pid);
        self.collections.remove(&pid);
        let ids: Vec<_> = self.names.range((pid, 0)..=(pid, u32::MAX)).map(|(id, _)| *id).collect();
        ids.iter().for_each(|id| _ = self.names.remove(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples::{bytes, exec, exit, fork, process, task};

    fn left(events: Vec<Event>) -> Vec<Event> {
        let mut before = Before::default();
        events.into_iter().for_each(|event| before.fold(event));
        before.into_events().collect()
    }

    #[test]
    fn who_was_there_is_reported() {
        let app = || Event::Process(ProcessDescription { root: true, ..process(7, "app") });
        let child = || Event::Process(process(8, "app"));
        let is_child = || Event::ChildAtStart { pid: 8, ppid: 7 };
        let status = |wait_status| Event::ZombieAtStart {
            pid: 8,
            ppid: 7,
            comm: bytes("python"),
            wait_status: Some(wait_status),
        };
        let reaped = || Event::Reaped { at: 5, by: task(7, 7), child: 8, of_earlier: false };
        let free = || Event::Free { at: 6, pid: 8 };
        let named = |comm| Event::ThreadName { task: task(7, 9), comm: bytes(comm) };
        let watched = |at, starts| Event::HandlersWatched { at, pid: 7, starts, ends: false };
        for (name, events, expected) in [
            ("nobody but the root", vec![app()], vec![app()]),
            ("a child that lives", vec![app(), fork(1, 7, 8, 0), child()], vec![app(), child(), is_child()]),
            ("a zombie", vec![app(), fork(1, 7, 8, 0), child(), exit(2, 8, 7, 9)], vec![app(), status(9)]),
            (
                "one that was waited for",
                vec![app(), fork(1, 7, 8, 0), child(), exit(2, 8, 7, 0), reaped(), free()],
                vec![app()],
            ),
            ("the last name of a thread", vec![app(), named("a"), named("b")], vec![app(), named("b")]),
            (
                "who is watched now",
                vec![app(), watched(3, false), watched(4, true)],
                vec![app(), watched(0, true)],
            ),
        ] {
            assert_eq!(left(events), expected, "{name}");
        }
    }

    #[test]
    fn another_program_is_reported_as_that() {
        let python = ProcessDescription { python: Some("3.12.1".into()), ..process(8, "app") };
        let events = left(vec![Event::Process(python), exec(3, 8, &["sleep", "9"])]);
        let [Event::Process(now)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((&*now.comm, &*now.title, &now.python), (&b"sleep"[..], &b"sleep 9"[..], &None));
    }
}
