//! The ids of tasks in raw messages, where they are still what the probes know them by.

use std::borrow::Cow;
use std::mem::offset_of;
use std::ops::RangeInclusive;

use tracer_common::event::{Header, kind};
use tracer_common::process::Reaped;
use tracer_common::task::Numbers;

use super::wire;

/// `SIGCHLD`, and its `CLD_EXITED`, `CLD_KILLED` and `CLD_DUMPED`: sigaction(2).
const SIGCHLD: u32 = 17;
const ENDED: RangeInclusive<i32> = 1..=3;

/// A message that says something about ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered {
    /// A task was born.
    Birth {
        /// The kernel's number of it.
        child: u32,
        /// Ours.
        shown: u32,
    },
    /// A task ended.
    End {
        /// The kernel's number of it.
        tid: u32,
    },
    /// A child notified its parent that it has ended.
    ChildEnd {
        /// Our number of the parent.
        parent: u32,
        /// The child, as the parent's pid namespace numbers it.
        pid: u32,
        /// Our number of the child.
        child: u32,
    },
}

/// What a message says about ids, if it does.
#[must_use]
pub fn numbered(bytes: &[u8]) -> Option<Numbered> {
    match wire::header(bytes)?.kind {
        kind::FORK => {
            let fork = wire::fork(bytes)?;
            Some(Numbered::Birth { child: fork.child_tid, shown: fork.shown_child.tid })
        }
        kind::EXIT => Some(Numbered::End { tid: wire::exit(bytes)?.header.tid }),
        kind::SIGNAL_GENERATE => {
            let signal = wire::generate(bytes)?;
            let ended = signal.signal == SIGCHLD && signal.info == 2 && ENDED.contains(&signal.code);
            let (parent, pid, child) = (signal.target.pid, signal.info_pid, signal.sender.pid);
            let by_itself = ended && pid == signal.sender_to_receiver;
            by_itself.then_some(Numbered::ChildEnd { parent, pid, child })
        }
        _ => None,
    }
}

/// Process and thread that a message's header names, 0 where there is no header.
#[must_use]
pub fn header_numbers(bytes: &[u8]) -> (u32, u32) {
    wire::header(bytes).map_or((0, 0), |header| (header.pid, header.tid))
}

/// Gives process and thread in a message's header other numbers.
pub fn renumber(message: &mut [u8], number: impl Fn(u32) -> u32) {
    for at in [offset_of!(Header, pid), offset_of!(Header, tid)] {
        change(message, at, &number);
    }
}

/// Gives a child that its parent waited for another number: by the parent's number and the child's own.
pub fn renumber_reaped(message: &mut Cow<'_, [u8]>, number: impl FnOnce(u32, u32) -> Option<u32>) {
    let Some(header) = wire::header(message).filter(|header| header.kind == kind::REAPED) else { return };
    let Some(reaped) = wire::reaped(message) else { return };
    if let Some(child) = number(header.pid, reaped.child) {
        change(message.to_mut(), offset_of!(Reaped, child), |_| child);
    }
}

/// What the iterator over tasks wrote.
#[must_use]
pub fn tasks(bytes: &[u8]) -> Vec<Numbers> {
    wire::tasks(bytes)
}

fn change(message: &mut [u8], at: usize, number: impl Fn(u32) -> u32) {
    if let Some(bytes) = message.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *bytes = number(u32::from_ne_bytes(*bytes)).to_ne_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Header: kind and bytes, time, pid and tid; child and padding.
    fn reaped(pid: u32, child: u32) -> Vec<u8> {
        let words = [u64::from(kind::REAPED) | 32 << 32, 350, u64::from(pid) | 8 << 32, u64::from(child)];
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn only_the_ids_change() {
        let mut message = reaped(7, 9);
        renumber(&mut message, |id| if id == 7 { 70 } else { id });
        assert_eq!((message.clone(), header_numbers(&message)), (reaped(70, 9), (70, 8)));
        let mut message = Cow::from(message);
        renumber_reaped(&mut message, |parent, child| (parent, child).eq(&(70, 9)).then_some(90));
        assert_eq!(*message, reaped(70, 90));
        renumber_reaped(&mut message, |_, _| None);
        assert_eq!(*message, reaped(70, 90));
    }

    #[test]
    fn whatever_the_bytes() {
        for length in 0..32 {
            let mut bytes = reaped(7, 9)[..length].to_vec();
            renumber(&mut bytes, |id| id + 1);
            assert_eq!((numbered(&bytes), header_numbers(&[])), (None, (0, 0)));
        }
    }
}
