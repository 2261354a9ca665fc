//! Stacks by their ids.
//!
//! The probes distinguish stacks by their instructions, and a recursion makes ever new ones of the same lines. Here each
//! stack of lines has one id, that of the first one seen; other ids are known only as long as the probes may use them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Entry, FrameId};
use crate::event::{StackId, StackStatus};

/// Stacks of lines that are distinguished: most of what a hash table of 65,536 buckets holds. Of further ones only the
/// innermost frame.
const STACKS: usize = 49_152;
/// Frames of all of them: 8 MiB.
const FRAMES: usize = 2 << 20;
/// Other ids, after which those that are no longer used are forgotten.
const OTHERS: usize = 32_768;
/// Most of them at a time: more than come until somebody checks whether it is time.
const MOST_OTHERS: usize = 1 << 20;

/// A stack, innermost frame first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stack {
    /// Frames, innermost first.
    pub frames: Arc<[FrameId]>,
    /// Why it is as it is.
    pub status: StackStatus,
    /// There were more frames than the limit.
    pub truncated: bool,
}

/// All that were seen.
#[derive(Debug, Default)]
pub struct Stacks {
    by_id: HashMap<StackId, Stack>,
    frames: usize,
    ids: HashMap<Stack, StackId>,
    /// Other ids: those that were recorded since the last [`Stacks::forget`], and those of the time before.
    others: HashMap<StackId, StackId>,
    older: HashMap<StackId, StackId>,
    /// What has been learnt and not been recorded; `None` where nobody wants to know.
    journal: Option<Vec<Entry>>,
}

impl Stacks {
    /// Remembers one. An id that rows are keyed by keeps what it stands for.
    pub fn insert(&mut self, id: StackId, stack: Stack) {
        if self.by_id.contains_key(&id) {
            return;
        }
        let has_room = self.by_id.len() < STACKS && self.frames + stack.frames.len() <= FRAMES;
        let stack = if has_room { stack } else { stack.innermost() };
        let first = *self.ids.entry(stack).or_insert_with_key(|stack| {
            self.frames += stack.frames.len();
            self.by_id.insert(id, stack.clone());
            if let Some(journal) = &mut self.journal {
                journal.push(Entry::Stack { id, stack: stack.clone() });
            }
            id
        });
        if first != id {
            self.insert_other(id, first);
        }
    }

    /// Remembers one that has the lines of another.
    pub fn insert_other(&mut self, id: StackId, first: StackId) {
        if self.others.len() < MOST_OTHERS && self.others.insert(id, first) != Some(first) {
            self.record(|| Entry::SameStack { id, first });
        }
    }

    /// From now on [`Stacks::new_entries`] has what is learnt; before it, all that is known.
    pub(super) fn keep_journal(&mut self) {
        self.journal = Some(self.known().collect());
    }

    /// What has been learnt since this was asked last.
    pub(super) fn new_entries(&mut self) -> Vec<Entry> {
        self.journal.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// All that is known.
    pub(super) fn known(&self) -> impl Iterator<Item = Entry> {
        let firsts = self.by_id.iter().map(|(&id, stack)| Entry::Stack { id, stack: stack.clone() });
        let others = self.older.iter().chain(&self.others);
        firsts.chain(others.map(|(&id, &first)| Entry::SameStack { id, first }))
    }

    fn record(&mut self, entry: impl FnOnce() -> Entry) {
        if let Some(journal) = &mut self.journal {
            journal.push(entry());
        }
    }

    /// One of them, if its record arrived.
    #[must_use]
    pub fn get(&self, id: StackId) -> Option<&Stack> {
        self.by_id.get(&self.first(id))
    }

    /// The id of the first stack with the same lines: what rows that are kept are to be keyed by.
    #[must_use]
    pub fn first(&self, id: StackId) -> StackId {
        let first = self.others.get(&id).or_else(|| self.older.get(&id));
        first.copied().unwrap_or(id)
    }

    /// Whether it is time to [`Stacks::forget`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.others.len() >= OTHERS
    }

    /// Forgets other ids that have not been recorded since this was done last, but for some. From now on each is to be recorded
    /// again before it is used.
    pub fn forget(&mut self, kept: &HashSet<StackId>) {
        self.record(|| Entry::StacksForgotten { kept: kept.clone() });
        let mut older = std::mem::replace(&mut self.older, std::mem::take(&mut self.others));
        older.retain(|id, _| kept.contains(id));
        for (id, first) in older {
            self.older.entry(id).or_insert(first);
        }
    }
}

impl Stack {
    fn innermost(self) -> Self {
        match *self.frames {
            [innermost, _, ..] => Self { frames: [innermost].into(), truncated: true, ..self },
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(frames: &[u32]) -> Stack {
        let frames = frames.iter().copied().map(FrameId).collect();
        Stack { frames, status: StackStatus::Ok, truncated: false }
    }

    #[test]
    fn stacks_of_the_same_lines_are_one() {
        let mut stacks = Stacks::default();
        for (id, frames) in [(10, [1, 2]), (11, [1, 2]), (12, [2, 1]), (10, [1, 2])] {
            stacks.insert(StackId(id), stack(&frames));
        }
        assert_eq!([10, 11, 12, 13].map(|id| stacks.first(StackId(id)).0), [10, 10, 12, 13]);
        assert_eq!(stacks.get(StackId(11)), Some(&stack(&[1, 2])));
        assert_eq!(stacks.get(StackId(13)), None);
    }

    #[test]
    fn ids_that_are_used_no_longer_are_forgotten() {
        let mut stacks = Stacks::default();
        (1..=5).for_each(|id| stacks.insert(StackId(id), stack(&[7])));
        let kept = HashSet::from([StackId(2)]);
        stacks.forget(&kept);
        assert_eq!(stacks.first(StackId(3)), StackId(1), "the probes may have been about to use it");
        stacks.insert(StackId(4), stack(&[7]));
        stacks.forget(&kept);
        assert_eq!([1, 2, 3, 4].map(|id| stacks.first(StackId(id)).0), [1, 1, 3, 1]);
        assert!(stacks.get(StackId(1)).is_some(), "rows are keyed by it");
    }

    #[test]
    fn deep_stacks_take_no_more_room_than_others() {
        let mut stacks = Stacks::default();
        let deep = |n: u32| stack(&(0..1024).map(|frame| frame * n).collect::<Vec<_>>());
        let many = FRAMES as u32 / 1024 + 10;
        (1..=many).for_each(|n| stacks.insert(StackId(n.into()), deep(n)));
        let depth =
            |id: u32| stacks.get(StackId(id.into())).expect("it is one of the coarser ones").frames.len();
        assert_eq!((depth(1), depth(many)), (1024, 1));
    }

    #[test]
    fn memory_is_bounded() {
        let mut stacks = Stacks::default();
        let many = STACKS as u32 + 10;
        (0..many).for_each(|n| stacks.insert(StackId(n.into()), stack(&[n % 4, n])));
        assert_eq!(stacks.get(StackId(5)), Some(&stack(&[1, 5])));
        let last = stacks.get(StackId((many - 1).into())).expect("it is one of the coarser ones");
        assert_eq!((&*last.frames, last.truncated), (&[FrameId((many - 1) % 4)][..], true));
        assert!(stacks.by_id.len() <= STACKS + 4);
        (0..many).for_each(|n| stacks.insert(StackId((1 << 32) + u64::from(n)), stack(&[n % 4])));
        assert!(stacks.is_full());
    }
}
