//! Ids of tasks. The probes know them as the initial pid namespace numbers them, and everybody else as ours does: here
//! the one becomes the other.

use std::borrow::Cow;
use std::collections::HashMap;

use tracer_common::task::Numbers;

use crate::decode::{self, Numbered};
use crate::event::{EntryRow, Event, HoldRow, Pid, ReadRow, SampleRow, SwitchRow, Task, Tid, WakeupRow};

/// Ends of children that are remembered until somebody waits for them: some parents never do.
const CHILD_ENDS: usize = 4096;

/// Both numbers of tasks.
#[derive(Debug, Default)]
pub struct Ids {
    /// What is known in another namespace than the initial one; there all numbers are their own.
    known: Option<KnownNumbers>,
    /// Children that have ended and that their parent knows by another number than ours: by the parent, and that.
    child_ends: HashMap<(Pid, Pid), Pid>,
}

#[derive(Debug, Default)]
struct KnownNumbers {
    /// Our numbers, by the kernel's; 0 for a task that has none.
    shown: HashMap<u32, u32>,
    /// All tasks that lived when they were last listed.
    living: Vec<Numbers>,
    /// Those that have ended in this epoch, and in the one before: their last rows are yet to come.
    ended: [Vec<u32>; 2],
}

impl Ids {
    /// Of the initial pid namespace, or of another.
    pub fn new(is_initial: bool) -> Self {
        let known = (!is_initial).then(KnownNumbers::default);
        Self { known, child_ends: HashMap::new() }
    }

    /// These are all tasks of our namespace.
    pub fn learn(&mut self, living: Vec<Numbers>) {
        if let Some(known) = &mut self.known {
            known.shown.extend(living.iter().map(|task| (task.tid, task.shown)));
            known.living = living;
        }
    }

    /// There is none with this number.
    pub fn learn_nothing_of(&mut self, id: u32) {
        if let Some(known) = &mut self.known {
            known.shown.entry(id).or_insert(0);
        }
    }

    /// The kernel's number for ours, as of when the tasks were last listed.
    pub fn kernel(&self, shown: u32) -> Option<u32> {
        let Some(known) = &self.known else { return Some(shown) };
        known.living.iter().find(|task| task.shown == shown).map(|task| task.tid)
    }

    /// A number of a message or a row that is not known.
    pub fn unknown(&self, numbered: (u32, u32)) -> Option<u32> {
        let known = self.known.as_ref()?;
        [numbered.0, numbered.1].into_iter().find(|id| *id != 0 && !known.shown.contains_key(id))
    }

    /// A message, with our numbers in it.
    pub fn message<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        match decode::numbered(bytes) {
            Some(Numbered::Birth { child, shown }) => self.born(child, shown),
            Some(Numbered::End { tid }) => self.ended(tid),
            Some(Numbered::ChildEnd { parent, pid, child }) if pid != child => {
                self.child_end((parent, pid), child);
            }
            _ => {}
        }
        let mut message = Cow::Borrowed(bytes);
        if self.known.is_some() {
            decode::renumber(message.to_mut(), |id| self.shown(id));
        }
        if !self.child_ends.is_empty() {
            decode::renumber_reaped(&mut message, |parent, pid| self.child_ends.remove(&(parent, pid)));
        }
        message
    }

    /// A drained row, with our numbers in it.
    pub fn row(&self, event: &mut Event) {
        for (pid, tid) in ids_of(event).into_iter().flatten() {
            *pid = self.shown(*pid);
            tid.into_iter().for_each(|tid| *tid = self.shown(*tid));
        }
    }

    /// All rows of an epoch have come.
    pub fn pass_epoch(&mut self) {
        let Some(known) = &mut self.known else { return };
        let [lately, before] = &mut known.ended;
        before.drain(..).for_each(|id| _ = known.shown.remove(&id));
        std::mem::swap(lately, before);
    }

    /// Our number for the kernel's, 0 where there is none.
    pub fn shown(&self, id: u32) -> u32 {
        self.known.as_ref().map_or(id, |known| known.shown.get(&id).copied().unwrap_or(0))
    }

    fn born(&mut self, child: u32, shown: u32) {
        if let Some(known) = &mut self.known {
            known.shown.insert(child, shown);
        }
    }

    fn ended(&mut self, tid: u32) {
        if let Some(known) = &mut self.known {
            known.ended[0].push(tid);
        }
    }

    fn child_end(&mut self, to: (Pid, Pid), child: Pid) {
        if self.child_ends.len() == CHILD_ENDS {
            self.child_ends.clear();
        }
        self.child_ends.insert(to, child);
    }
}

/// The numbers in a drained row, 0 for what it does not have.
pub fn numbers_of(event: &mut Event) -> [(u32, u32); 2] {
    ids_of(event).map(|ids| ids.map_or((0, 0), |(pid, tid)| (*pid, tid.map_or(0, |tid| *tid))))
}

/// A process, and a thread where there is one.
type NumberFields<'a> = Option<(&'a mut Pid, Option<&'a mut Tid>)>;

fn thread(task: &mut Task) -> NumberFields<'_> {
    Some((&mut task.pid, Some(&mut task.tid)))
}

/// Which process a drained row is about, and which others are in it.
fn ids_of(event: &mut Event) -> [NumberFields<'_>; 2] {
    let about = match event {
        Event::Wakeups { key: WakeupRow { row, waker }, .. } => {
            return [thread(&mut row.task), thread(&mut waker.task)];
        }
        Event::GilHeld { key: HoldRow { task, .. }, .. }
        | Event::Switches { key: SwitchRow { task, .. }, .. }
        | Event::Samples { key: SampleRow { task, .. }, .. } => thread(task),
        Event::Reads { key: ReadRow { pid, .. }, .. }
        | Event::ReadSizes { key: ReadRow { pid, .. }, .. }
        | Event::Entries { key: EntryRow { pid, .. }, .. } => Some((pid, None)),
        _ => None,
    };
    [about, None]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pid: u32, tid: u32) -> Event {
        let key = SampleRow { task: Task { pid, tid }, ..SampleRow::default() };
        Event::Samples { key, count: 1, keeps_others_waiting: false }
    }

    fn shown(ids: &Ids, mut event: Event) -> Event {
        ids.row(&mut event);
        event
    }

    #[test]
    fn in_the_initial_namespace_all_numbers_are_their_own() {
        let ids = Ids::new(true);
        assert_eq!((ids.kernel(7), ids.unknown((7, 8))), (Some(7), None));
        assert_eq!(shown(&ids, row(7, 8)), row(7, 8));
    }

    #[test]
    fn in_another_a_number_is_what_was_learnt_until_its_rows_have_come() {
        let mut ids = Ids::new(false);
        assert_eq!(ids.unknown((700, 0)), Some(700));
        ids.learn(vec![Numbers { tid: 700, shown: 7, ..Numbers::default() }]);
        ids.learn_nothing_of(900);
        assert_eq!((ids.kernel(7), ids.unknown((700, 900))), (Some(700), None));
        ids.born(701, 8);
        assert_eq!(shown(&ids, row(700, 701)), row(7, 8));
        ids.ended(701);
        ids.pass_epoch();
        assert_eq!(shown(&ids, row(700, 701)), row(7, 8), "its last rows");
        ids.pass_epoch();
        assert_eq!(shown(&ids, row(700, 701)), row(7, 0));
    }

    #[test]
    fn parents_that_never_wait_are_not_remembered_for_ever() {
        let mut ids = Ids::new(true);
        (0..2 * CHILD_ENDS as u32).for_each(|pid| ids.child_end((1, pid), 1));
        assert!(ids.child_ends.len() <= CHILD_ENDS);
    }
}
