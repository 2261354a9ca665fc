//! Raw frames get their file, function and line.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracer_common::python::{Code, Frame};

use super::recent::{Recent, Weighed};
use super::spaces::Spaces;
use crate::cpython::code::{self, CodeObject, Pointers};
use crate::cpython::layout::Layout;
use crate::decode;
use crate::event::{Event, Pid, SpaceId, StackStatus, WakeupRow};
use crate::redact;
use crate::symbols::{self, Calls, CodeKey, FrameId, Stack, Symbols};
use crate::sys::aside::{BRIEFLY, aside};
use crate::sys::memory::ProcessMemory;

/// Code objects that are kept: those of a large program. One that is used again later is read from memory.
const CODES: usize = 8_192;
/// Bytes of their names and lines, of those used lately and once more of those used before.
const CODE_BYTES: usize = 8 << 20;
/// Time that may go into reading code objects from memory until somebody [renews](Names::renew) it: large ones take
/// milliseconds, and others wait meanwhile.
const READING: Duration = Duration::from_millis(200);
/// Instructions whose lines are.
const INSTRUCTIONS: usize = 28_672;

/// Interns names as they arrive.
pub struct Names {
    /// What ids stand for.
    pub symbols: Symbols,
    codes: Recent<CodeKey, Arc<CodeObject>>,
    frames: Recent<(CodeKey, i32), FrameId>,
    /// Time that is left for reading.
    left: Duration,
    /// Some were not read for want of time.
    over_time: bool,
}

impl Weighed for Arc<CodeObject> {
    fn bytes(&self) -> usize {
        CodeObject::bytes(self)
    }
}

impl Weighed for FrameId {
    fn bytes(&self) -> usize {
        0
    }
}

impl Default for Names {
    fn default() -> Self {
        let symbols = Symbols::default();
        let (codes, frames) = (Recent::new(CODES, CODE_BYTES), Recent::new(INSTRUCTIONS, 0));
        Self { symbols, codes, frames, left: READING, over_time: false }
    }
}

impl Names {
    /// There is time again.
    pub fn renew(&mut self) {
        self.left = READING;
    }

    /// Whether names are missing because there was no time to read them.
    #[must_use]
    pub fn is_over_time(&self) -> bool {
        self.over_time
    }

    /// Does what reads, if there is time left.
    fn in_time<T>(&mut self, read: impl FnOnce() -> T) -> Option<T> {
        if self.left.is_zero() {
            self.over_time = true;
            return None;
        }
        let began = Instant::now();
        let done = read();
        self.left = self.left.saturating_sub(began.elapsed());
        Some(done)
    }

    /// A code object was sent.
    pub fn code(&mut self, record: &Code, spaces: &Spaces) {
        let Some(interpreter) = spaces.interpreter(SpaceId(record.space)) else { return };
        let (pid, layout) = (record.header.pid, interpreter.layout);
        let copied = || CodeObject::as_copied(record, &layout);
        let object = if CodeObject::is_whole(record) {
            copied()
        } else {
            let read = self.in_time(|| read_aside(pid, record.code, record.identity, layout));
            read.and_then(Result::ok).unwrap_or_else(copied)
        };
        self.codes.insert((SpaceId(record.space), record.code, record.identity), Arc::new(object));
    }

    /// A stack was sent; the code objects that it needs were sent before.
    pub fn stack(&mut self, raw: &decode::Stack, spaces: &Spaces) {
        let mut frames: Vec<_> =
            raw.frames.iter().map(|frame| self.frame(raw.space, raw.pid, frame, spaces)).collect();
        frames.retain(|id| !self.symbols.frame(*id).checks_init());
        let (status, truncated) = StackStatus::from_wire(raw.status);
        self.symbols.stacks.insert(raw.id, Stack { frames: frames.into(), status, truncated });
    }

    /// The call sites that a drained row names.
    pub fn sites(&mut self, event: &Event, spaces: &Spaces) {
        match event {
            Event::Reads { key, .. } => {
                self.site(key.space, key.pid, key.site, spaces);
                self.calls(key.space, key.pid, key.site, spaces);
            }
            Event::Entries { key, .. } => {
                // No instruction: the function as a whole, at its first line.
                let frame = Frame { code: key.code, instruction: -1, identity: key.identity };
                self.site(key.space, key.pid, frame, spaces);
            }
            Event::Wakeups { key: WakeupRow { waker, .. }, .. } => {
                self.site(waker.space, waker.task.pid, waker.site, spaces);
            }
            Event::GilHeld { key, .. } => self.site(key.space, key.task.pid, key.site, spaces),
            Event::HandlerStart(start) => self.site(start.space, start.task.pid, start.code, spaces),
            _ => {}
        }
    }

    fn site(&mut self, space: SpaceId, pid: Pid, frame: Frame, spaces: &Spaces) {
        if frame.code != 0 {
            let id = self.frame(space, pid, &frame, spaces);
            self.symbols.insert_site(space, frame, id);
        }
    }

    /// What the code of a call site calls: read once, while it is there. Without time for it the line gets no advice.
    fn calls(&mut self, space: SpaceId, pid: Pid, site: Frame, spaces: &Spaces) {
        let key = (space, site.code, site.identity);
        if site.code == 0 || self.left.is_zero() || self.symbols.has_calls(key) {
            return;
        }
        let Some(interpreter) = spaces.interpreter(space) else { return };
        let (layout, processes) = (interpreter.layout, [Some(pid), spaces.process_in(space)]);
        let read = |pid| {
            let memory = ProcessMemory::new(pid);
            let names = move || code::names(site.code, site.identity, &layout, &memory);
            aside(pid, BRIEFLY, names).ok()?.ok()
        };
        let found = self.in_time(|| processes.into_iter().flatten().find_map(read));
        if let Some(names) = found.flatten() {
            self.symbols.insert_calls(key, Calls::new(names));
        }
    }

    fn frame(&mut self, space: SpaceId, pid: Pid, frame: &Frame, spaces: &Spaces) -> FrameId {
        let identity = match frame.identity {
            0 => self.identity(space, pid, frame.code, spaces).unwrap_or(0),
            known => known,
        };
        let key = ((space, frame.code, identity), frame.instruction);
        if let Some(id) = self.frames.get(&key) {
            return id;
        }
        let Some((object, line)) = self.line(key.0, pid, frame, spaces) else {
            return self.symbols.intern(symbols::Frame::unknown());
        };
        let (function, file) = (object.function.clone(), redact::source(object.file.clone()));
        let id = self.symbols.intern(symbols::Frame { function, file, line });
        self.frames.insert(key, id);
        id
    }

    /// The kernel cannot read a page while it is being replaced: after a fork our own reading replaces those that parent and
    /// child share. The code object that was at the address before, and is there now, was there meanwhile.
    /// <https://github.com/torvalds/linux/blob/v6.12/mm/gup.c> (`gup_must_unshare`)
    fn identity(&mut self, space: SpaceId, pid: Pid, code: u64, spaces: &Spaces) -> Option<u32> {
        let layout = spaces.interpreter(space)?.layout;
        let processes = [Some(pid), spaces.process_in(space)];
        let read = || {
            let mut pids = processes.into_iter().flatten();
            pids.find_map(|pid| identity_aside(pid, code, layout).ok())
        };
        let identity = self.in_time(read)??;
        self.codes.get(&(space, code, identity)).map(|_| identity)
    }

    fn line(
        &mut self,
        key: CodeKey,
        pid: Pid,
        frame: &Frame,
        spaces: &Spaces,
    ) -> Option<(Arc<CodeObject>, Option<u32>)> {
        let interpreter = spaces.interpreter(key.0)?;
        let object = match self.codes.get(&key) {
            Some(object) => object,
            None => self.read(key, pid, spaces)?,
        };
        let line = object.line(&interpreter.layout, frame.instruction);
        Some((object, line))
    }

    /// The record was lost: the memory may still hold the code object, in the process or in one with a copy.
    fn read(&mut self, key: CodeKey, pid: Pid, spaces: &Spaces) -> Option<Arc<CodeObject>> {
        let (space, address, identity) = key;
        let layout = spaces.interpreter(space)?.layout;
        let processes = [Some(pid), spaces.process_in(space)];
        let read = || {
            let mut pids = processes.into_iter().flatten();
            pids.find_map(|pid| read_aside(pid, address, identity, layout).ok())
        };
        let object = self.in_time(read)??;
        let object = Arc::new(object);
        self.codes.insert(key, object.clone());
        Some(object)
    }
}

fn identity_aside(pid: Pid, code: u64, layout: Layout) -> io::Result<u32> {
    let memory = ProcessMemory::new(pid);
    aside(pid, BRIEFLY, move || Pointers::read(&memory, &layout.wire(), code))?.map(|read| read.identity())
}

fn read_aside(pid: Pid, address: u64, identity: u32, layout: Layout) -> io::Result<CodeObject> {
    let memory = ProcessMemory::new(pid);
    aside(pid, BRIEFLY, move || CodeObject::read(address, identity, &layout, &memory))?
}
