//! Threads that there was no time to read: a process may have more than can be read while others wait.

use std::time::Duration;

use crate::event::{Nanos, Pid};
use crate::report::Shed;

/// What all threads may take, each time that they are described: 15 µs each, and on a busy machine three times as much.
pub const DESCRIBING: Duration = Duration::from_millis(150);
/// What those that have slept since before the window may take: 60 to 150 µs each.
pub const SLEEPERS: Duration = Duration::from_millis(400);
/// The same at the end, where a person waits for the report.
pub const SLEEPERS_AT_END: Duration = Duration::from_millis(200);

/// So many threads are read whatever it takes, all processes together: a busy machine may not let us read for so long.
pub const CERTAIN: usize = 4096;

/// Of a process, so many threads.
pub type Count = (Pid, usize);

/// What is not known of a thread that was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Its name, and what the kernel had counted of it.
    Description,
    /// What it has slept in since before the window.
    SleepBefore,
    /// What the kernel had counted of it by the end.
    CountAtEnd,
    /// The callers of the line that it sleeps at when the window ends.
    CallersAtEnd,
}

impl Unread {
    /// Reports it of so many threads of a process, if there are any.
    #[must_use]
    pub fn of(self, (pid, threads): Count, at_ns: Nanos) -> Option<Shed> {
        let what = match self {
            Self::Description => "names and kernel's counts of switches",
            Self::SleepBefore => "sleeps since before the window",
            Self::CountAtEnd => "kernel's counts of switches",
            Self::CallersAtEnd => "callers of lines that are slept at in the end",
        };
        let why = "so many threads take longer to read than there is time for".to_owned();
        (threads > 0).then(|| Shed {
            at_ns,
            what: format!("{what}, of {threads} threads of process {pid}"),
            why,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_read_is_reported_with_its_threads_and_process() {
        let reported = Unread::SleepBefore.of((7, 9), 3).map(|shed| (shed.at_ns, shed.what));
        assert_eq!(
            reported,
            Some((3, "sleeps since before the window, of 9 threads of process 7".to_owned()))
        );
        assert_eq!(Unread::CallersAtEnd.of((7, 0), 3), None);
    }
}
