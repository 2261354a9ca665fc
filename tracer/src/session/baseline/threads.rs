//! The threads that the roots have when the window begins. Those that come later are reported by the probes.

use std::time::Duration;

use super::left_out::{CERTAIN, Count};
use crate::event::{Event, Task, Tid};
use crate::process::{Deadline, ThreadStatus};
use crate::roots::Root;

/// What there is of a root's threads, each read once for all uses.
pub struct Threads<'a> {
    /// The process that they are of.
    pub root: &'a Root,
    /// What the kernel said of them.
    pub described: Vec<(Tid, ThreadStatus)>,
    /// Those that there was no time to ask about.
    pub unread: Vec<Tid>,
}

impl<'a> Threads<'a> {
    /// Of each root, as they are now, as many as can be read in this time; the one with fewest threads comes first.
    #[must_use]
    pub fn of_all(roots: &'a [Root], limit: Duration) -> Vec<Self> {
        let deadline = Deadline::after(limit);
        let mut of_all: Vec<_> =
            roots.iter().map(|root| (root, root.process.threads().unwrap_or_default())).collect();
        // A process with few threads takes no time from one with many.
        of_all.sort_by_key(|(_, tids)| tids.len());
        let count = of_all.len();
        let read = |(index, (root, tids))| {
            let limit = Deadline::after(deadline.share(count - index));
            Self::new(root, tids, limit.with_certain(CERTAIN / count))
        };
        of_all.into_iter().enumerate().map(read).collect()
    }

    fn new(root: &'a Root, mut tids: Vec<Tid>, deadline: Deadline) -> Self {
        let (described, unread) = root.process.described(&tids, deadline);
        Self { root, described, unread: tids.split_off(tids.len() - unread) }
    }

    /// How many there was no time to ask about, of which process.
    #[must_use]
    pub fn left_out(&self) -> Count {
        (self.root.process.pid, self.unread.len())
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
