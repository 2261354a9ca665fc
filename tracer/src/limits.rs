//! What a process may have: as much as we need, or a word about what is missing; and for a command what it was at first.

use std::fmt;
use std::sync::OnceLock;

use crate::sys::{heap, inherited, rights};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Has freed memory given back to the system.
pub fn keep_little_memory() {
    heap::keep_little();
}

/// Gives up the rights that no command needs, for good. Not for who starts somebody else's program afterwards.
pub fn give_up_rights() {
    rights::settle();
}

/// Gives up what was needed to begin with, once everything is attached, for good: the thread that watches has no use for it.
pub fn only_watch() {
    rights::settle_for_watching();
}

/// A limit that is too low, and cannot be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot start with {what} limited to {has}; try {remedy}")]
pub struct TooLow {
    what: What,
    has: u64,
    remedy: &'static str,
}

/// What may be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Files,
    Memory,
    Stack,
}

/// One limit, the least that we can do with, and what is plenty.
struct LimitNeed {
    what: What,
    resource: Resource,
    least: u64,
    plenty: u64,
    remedy: &'static str,
}

/// A trace has some 80 descriptors for the probes and their maps, one for each process that it watches closely, and a few
/// while it reads others.
const NEEDS: [LimitNeed; 3] = [
    LimitNeed {
        what: What::Files,
        resource: Resource::Nofile,
        least: 256,
        plenty: 4096,
        remedy: "ulimit -n 1024",
    },
    // What is reserved counts, used or not: 2 MiB for the stack of each thread.
    LimitNeed {
        what: What::Memory,
        resource: Resource::As,
        least: 256 << 20,
        plenty: 2 << 30,
        remedy: "ulimit -v unlimited",
    },
    LimitNeed {
        what: What::Stack,
        resource: Resource::Stack,
        least: 1 << 20,
        plenty: 8 << 20,
        remedy: "ulimit -s 8192",
    },
];

static AT_FIRST: OnceLock<[Rlimit; NEEDS.len()]> = OnceLock::new();

/// Raises what is too low, as far as we may; and what was inherited of signals is put right.
///
/// # Errors
/// When that is not enough.
pub fn raise() -> Result<(), TooLow> {
    inherited::settle();
    AT_FIRST.get_or_init(|| NEEDS.each_ref().map(|need| getrlimit(need.resource)));
    NEEDS.iter().try_for_each(LimitNeed::meet)
}

/// Gives a command the limits that we had at first. Makes system calls only.
///
/// # Errors
/// When the kernel refuses.
pub fn restore() -> std::io::Result<()> {
    inherited::restore()?;
    let at_first = AT_FIRST.get().into_iter().flatten();
    NEEDS.iter().zip(at_first).try_for_each(|(need, limit)| Ok(setrlimit(need.resource, *limit)?))
}

impl LimitNeed {
    fn meet(&self) -> Result<(), TooLow> {
        let limit = getrlimit(self.resource);
        let has = |limit: &Option<u64>, wanted| limit.is_none_or(|limit| limit >= wanted);
        if has(&limit.current, self.plenty) {
            return Ok(());
        }
        let maximum = limit.maximum.map(|maximum| maximum.max(self.plenty));
        let raised = Rlimit { current: Some(self.plenty), maximum };
        let as_far_as_we_may = Rlimit { current: limit.maximum, ..limit };
        if setrlimit(self.resource, raised).is_err() {
            let _ = setrlimit(self.resource, as_far_as_we_may); // what came of it is read back
        }
        match getrlimit(self.resource).current {
            Some(has) if has < self.least => Err(TooLow { what: self.what, has, remedy: self.remedy }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Files => "open files",
            Self::Memory => "bytes of memory",
            Self::Stack => "bytes of stack",
        })
    }
}
