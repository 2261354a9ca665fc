//! What the report says of each traced process: read when it joins, when it runs another program, once it has lived for a
//! second, and at the end.

use std::collections::{HashMap, VecDeque};

use super::titles::Titles;
use crate::event::{Exec, Fork, Nanos, Pid, ProcessDescription};
use crate::process::Process;
use crate::process::cgroup::cgroup_of_zombie;
use crate::python::Interpreter;
use crate::redact;
use crate::report::Shed;
use crate::roots::describe;

/// Traced processes that the kernel has not let go of.
#[derive(Default)]
pub struct Descriptions {
    known: HashMap<Pid, ProcessDescription>,
    /// Those that were born in the window and have not been read since, with their time of birth.
    young: VecDeque<(Nanos, Pid)>,
    titles: Titles,
}

impl Descriptions {
    /// Takes note of one, and cuts what there is no room for.
    pub fn admit(&mut self, process: &mut ProcessDescription) {
        self.titles.admit(process, self.known.get(&process.pid));
        self.known.insert(process.pid, process.clone());
    }

    /// A process was born.
    pub fn fork(&mut self, fork: &Fork) {
        self.young.push_back((fork.at, fork.child.pid));
    }

    /// A child is what its parent was, until it says otherwise.
    #[must_use]
    pub fn child(&self, fork: &Fork) -> Option<ProcessDescription> {
        let parent = self.known.get(&fork.parent.pid)?;
        Some(ProcessDescription {
            pid: fork.child.pid,
            namespace_pid: fork.namespace_pid(),
            ppid: parent.pid,
            root: false,
            groups: Some(fork.groups),
            born: None,
            ..parent.clone()
        })
    }

    /// It has begun another program, which was not probed.
    pub fn exec(&mut self, exec: &Exec) {
        if let Some(process) = self.known.get_mut(&exec.task.pid) {
            process.comm = exec.comm.clone();
            process.title = exec.title();
            (process.exe, process.python, process.free_threaded) = (None, None, None);
        }
    }

    /// That program turned out to be this Python, or none.
    #[must_use]
    pub fn of_program(&self, process: &Process, interpreter: Option<&Interpreter>) -> ProcessDescription {
        let root = self.known.get(&process.pid).is_some_and(|known| known.root);
        ProcessDescription { root, ..describe(process, interpreter) }
    }

    /// Whose memory ran out: a process may have been moved since it was read. Where its parent has reaped it before it could be
    /// read at all, what is known is its parent's group, which says nothing of its own.
    #[must_use]
    pub fn with_control_group(&self, pid: Pid) -> Option<ProcessDescription> {
        let known = self.known.get(&pid)?.clone();
        let never_read = self.young.iter().any(|(_, young)| *young == pid);
        let group = cgroup_of_zombie(pid).map(redact::group);
        let cgroup = group.or_else(|| known.cgroup.clone().filter(|_| !never_read)).unwrap_or_default();
        Some(ProcessDescription { cgroup: Some(cgroup), ..known })
    }

    /// Its title and names as they stand now: programs change theirs.
    #[must_use]
    pub fn renewed(&self, pid: Pid) -> Option<ProcessDescription> {
        let (known, process) = (self.known.get(&pid)?, Process::open(pid).ok()?);
        let &ProcessDescription { free_threaded, gil, gil_holder, root, .. } = known;
        let (python, now) = (known.python.clone(), describe(&process, None));
        Some(ProcessDescription { python, free_threaded, gil, gil_holder, root, ..now })
    }

    /// The next that was born so long ago, once: a worker has set its title by then.
    pub fn next_of_age(&mut self, now: Nanos, age: Nanos) -> Option<Pid> {
        self.young.pop_front_if(|(born, _)| *born + age <= now).map(|(_, pid)| pid)
    }

    /// The kernel has let go of it.
    pub fn free(&mut self, pid: Pid) {
        self.known.remove(&pid);
    }

    /// All of them.
    pub fn pids(&self) -> impl Iterator<Item = Pid> {
        self.known.keys().copied()
    }

    /// That command lines were cut.
    #[must_use]
    pub fn cut(&self, at_ns: Nanos) -> Option<Shed> {
        self.titles.cut(at_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples;
    use crate::event::{Bytes, Event};

    /// More than the kernel gives: <https://github.com/torvalds/linux/blob/v6.12/include/linux/threads.h#L34>
    const GONE: Pid = 1 << 30;

    #[test]
    fn the_control_group_of_one_that_is_gone_is_its_own_or_none() {
        let group = |name: &'static str| Some(Bytes::from_static(name.as_bytes()));
        let mut known = Descriptions::default();
        known.admit(&mut ProcessDescription { cgroup: group("/shop"), ..samples::process(7, "shop") });
        let Event::Fork(fork) = samples::fork(10, 7, GONE, 0) else { panic!("a fork") };
        known.fork(&fork);
        let mut child = known.child(&fork).expect("its parent is known");
        assert_eq!(child.cgroup, group("/shop"), "until it says otherwise");
        known.admit(&mut child);
        let at_the_end = |known: &Descriptions| known.with_control_group(GONE).expect("it is known").cgroup;
        assert_eq!(at_the_end(&known), group(""), "its parent's says nothing");
        assert_eq!(known.next_of_age(10, 0), Some(GONE));
        known.admit(&mut ProcessDescription { cgroup: group("/shop/worker"), ..child });
        assert_eq!(at_the_end(&known), group("/shop/worker"), "it was read while it lived");
    }
}
