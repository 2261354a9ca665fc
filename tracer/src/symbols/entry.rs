//! What ids stand for, one by one: as a recording has it.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use tracer_common::python;

use super::{Calls, CodeKey, File, Frame, FrameId, Stack, Symbols};
use crate::event::{FileId, SpaceId, StackId};

/// Frames of one stack that is taken: as many as a run may keep.
const DEEPEST: usize = 1024;

/// One thing that was learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum Entry {
    /// A function at a line.
    Frame { id: FrameId, frame: Frame },
    /// The first stack of these lines.
    Stack { id: StackId, stack: Stack },
    /// Another stack of the same lines as the first.
    SameStack { id: StackId, first: StackId },
    /// Ids of other stacks are forgotten, but for these.
    StacksForgotten { kept: HashSet<StackId> },
    /// A file.
    File { id: FileId, file: File },
    /// The line of a call site.
    Site { space: SpaceId, site: python::Frame, frame: FrameId },
    /// What a code object calls.
    Calls { code: CodeKey, calls: Calls },
}

/// What has been learnt and not been recorded.
#[derive(Debug, Default)]
pub struct Journal {
    /// Frames that have been recorded: they only become more.
    frames: usize,
    entries: Vec<Entry>,
}

impl Symbols {
    /// From now on [`Symbols::new_entries`] has what is learnt; before it, all that is known.
    pub fn keep_journal(&mut self) {
        self.journal = Some(Journal { frames: 0, entries: self.known_otherwise().collect() });
        self.stacks.keep_journal();
    }

    /// What has been learnt since this was asked last: what others refer to comes before them.
    pub fn new_entries(&mut self) -> Vec<Entry> {
        let Some(journal) = &mut self.journal else { return Vec::new() };
        let recorded = std::mem::replace(&mut journal.frames, self.frames.len());
        let others = std::mem::take(&mut journal.entries);
        let frames = self.frames.iter().enumerate().skip(recorded).map(|(id, frame)| frame_entry(id, frame));
        frames.chain(self.stacks.new_entries()).chain(others).collect()
    }

    /// All that is known.
    pub fn known(&self) -> impl Iterator<Item = Entry> {
        let frames = self.frames.iter().enumerate().map(|(id, frame)| frame_entry(id, frame));
        frames.chain(self.stacks.known()).chain(self.known_otherwise())
    }

    fn known_otherwise(&self) -> impl Iterator<Item = Entry> {
        let files = self.files.iter().map(|(&id, file)| Entry::File { id, file: file.clone() });
        let sites = self.sites.iter();
        let sites = sites.map(|(&(space, site), &frame)| Entry::Site { space, site, frame });
        let calls = self.calls.iter().map(|(&code, &calls)| Entry::Calls { code, calls });
        files.chain(sites).chain(calls)
    }

    /// Takes what another has learnt; `ids` are the frames that were taken before, by the other's ids. What refers to none
    /// of these is left out.
    pub fn take(&mut self, entry: Entry, ids: &mut FrameIds) {
        match entry {
            Entry::Frame { id, frame } => {
                let own = self.intern(frame);
                ids.insert(id, own);
            }
            Entry::Stack { id, stack } => {
                let frames = stack.frames.iter().take(DEEPEST).map(|&id| ids.get(id));
                if let Some(frames) = frames.collect() {
                    self.stacks.insert(id, Stack { frames, ..stack });
                }
            }
            Entry::SameStack { id, first } => self.stacks.insert_other(id, first),
            Entry::StacksForgotten { kept } => self.stacks.forget(&kept),
            Entry::File { id, file } => self.insert_file(id, file),
            Entry::Site { space, site, frame } => {
                if let Some(frame) = ids.get(frame) {
                    self.insert_site(space, site, frame);
                }
            }
            Entry::Calls { code, calls } => self.insert_calls(code, calls),
        }
    }

    pub(super) fn record(&mut self, entry: impl FnOnce() -> Entry) {
        if let Some(journal) = &mut self.journal {
            journal.entries.push(entry());
        }
    }
}

fn frame_entry(id: usize, frame: &Frame) -> Entry {
    Entry::Frame { id: super::frame_id(id), frame: frame.clone() }
}

/// Frames by the ids that another gave them.
#[derive(Debug, Default)]
pub struct FrameIds(Vec<Option<FrameId>>);

impl FrameIds {
    fn insert(&mut self, id: FrameId, own: FrameId) {
        let at = id.0 as usize;
        if at > super::LINES {
            return; // nobody gives as many
        }
        if self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        self.0[at] = Some(own);
    }

    fn get(&self, id: FrameId) -> Option<FrameId> {
        self.0.get(id.0 as usize).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::StackStatus;
    use crate::symbols::FileKind;

    fn line(line: u32) -> Frame {
        Frame { function: "f".into(), file: "f.py".into(), line: Some(line) }
    }

    fn stack(frames: &[FrameId]) -> Stack {
        Stack { frames: frames.into(), status: StackStatus::Ok, truncated: false }
    }

    /// Learns a few things, is asked for new entries, and learns more.
    fn learnt() -> (Symbols, Vec<Entry>) {
        let mut symbols = Symbols::default();
        let first = symbols.intern(line(1));
        symbols.stacks.insert(StackId(7), stack(&[first]));
        symbols.keep_journal();
        symbols.stacks.insert(StackId(6), stack(&[first, first]));
        let mut entries = symbols.new_entries();
        assert_eq!(entries.len(), 3, "what was known before, and what refers to it: {entries:?}");
        assert!(symbols.new_entries().is_empty(), "all has been recorded");
        let second = symbols.intern(line(2));
        symbols.stacks.insert(StackId(8), stack(&[second, first]));
        symbols.stacks.insert(StackId(9), stack(&[second, first]));
        let site = python::Frame { code: 5, ..python::Frame::default() };
        symbols.insert_site(SpaceId(1), site, second);
        symbols.insert_site(SpaceId(1), site, second);
        symbols.insert_file(FileId(3), File { path: "/etc/passwd".into(), kind: FileKind::Regular });
        symbols.insert_calls((SpaceId(1), 5, 0), Calls { opens: true, ..Calls::default() });
        let more = symbols.new_entries();
        assert_eq!(more.len(), 6, "each once: {more:?}");
        entries.extend(more);
        (symbols, entries)
    }

    fn taken(entries: impl IntoIterator<Item = Entry>) -> Symbols {
        let (mut symbols, mut ids) = (Symbols::default(), FrameIds::default());
        entries.into_iter().for_each(|entry| symbols.take(entry, &mut ids));
        symbols
    }

    #[test]
    fn what_one_has_learnt_another_knows() {
        let (learnt, entries) = learnt();
        for (name, other) in [("new entries", taken(entries)), ("all at once", taken(learnt.known()))] {
            assert_eq!((&other.frames, &other.files), (&learnt.frames, &learnt.files), "{name}");
            assert_eq!((&other.sites, &other.calls), (&learnt.sites, &learnt.calls), "{name}");
            for id in [6, 7, 8, 9] {
                assert_eq!(other.stacks.get(StackId(id)), learnt.stacks.get(StackId(id)), "{name}");
            }
            assert_eq!(other.stacks.first(StackId(9)), StackId(8), "{name}");
        }
    }

    #[test]
    fn what_refers_to_something_unknown_is_left_out() {
        let bogus = [
            Entry::Stack { id: StackId(1), stack: stack(&[FrameId(0)]) },
            Entry::Frame { id: FrameId(u32::MAX), frame: line(1) },
            Entry::Stack { id: StackId(2), stack: stack(&[FrameId(u32::MAX)]) },
            Entry::SameStack { id: StackId(3), first: StackId(9) },
        ];
        let symbols = taken(bogus);
        assert_eq!([1, 2, 3].map(|id| symbols.stacks.get(StackId(id))), [None; 3]);
    }

    /// A block of a recording may be damaged: what comes later keeps its meaning.
    #[test]
    fn a_missing_frame_makes_no_other_wrong() {
        let (learnt, entries) = learnt();
        let without_the_first = taken(entries.into_iter().skip(1));
        let innermost = |symbols: &Symbols| symbols.stacks.get(StackId(8)).map(|stack| stack.frames[0]);
        assert_eq!(innermost(&without_the_first), None, "its caller is not known");
        let site = python::Frame { code: 5, ..python::Frame::default() };
        let of = |symbols: &Symbols| symbols.frame(symbols.site(SpaceId(1), &site).unwrap()).clone();
        assert_eq!(of(&without_the_first), of(&learnt));
    }
}
