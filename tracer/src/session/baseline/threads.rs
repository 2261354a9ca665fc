//! The threads that the roots have when the window begins. Those that come later are reported by the probes.

use crate::event::{Event, Task, Tid};
use crate::process::ThreadStatus;
use crate::session::roots::Root;

/// A root's threads, each read once for all who ask.
pub struct Threads<'a> {
    /// Whose.
    pub root: &'a Root,
    /// What the kernel said of them.
    pub described: Vec<(Tid, ThreadStatus)>,
}

impl<'a> Threads<'a> {
    /// Of each root, as they are now.
    #[must_use]
    pub fn of_all(roots: &'a [Root]) -> Vec<Self> {
        roots.iter().map(Self::new).collect()
    }

    fn new(root: &'a Root) -> Self {
        let tids = root.process.threads().unwrap_or_default();
        Self { root, described: root.process.described(&tids) }
    }

    /// A thread of these, in the words of events.
    #[must_use]
    pub fn task(&self, tid: Tid) -> Task {
        Task { pid: self.root.process.pid, tid }
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = Event> {
        let named = self.described.iter();
        named.map(|(tid, thread)| Event::ThreadName { task: self.task(*tid), comm: thread.name.into() })
    }
}
