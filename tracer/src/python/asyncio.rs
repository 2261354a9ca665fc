//! The asyncio task that a thread runs, by its name: from 3.14 on `_asyncio` has a section for debuggers that says where that is.
//!
//! <https://github.com/python/cpython/blob/v3.14.0/Modules/_asynciomodule.c> (`_AsyncioModuleDebugOffsets`)

use crate::cpython::layout::Layout;
use crate::cpython::memory::Memory;
use crate::cpython::text;
use crate::event::Bytes;
use crate::process::Process;
use crate::process::allowance::Allowance;
use crate::process::elf::Elf;
use crate::process::maps::Mapping;
use crate::process::open::open_mapped;

/// The first release that has that section.
pub const RELEASE: (u8, u8) = (3, 14);
/// The section that the offsets lie in: of `_asyncio.so`, or of the interpreter's file where that is built in.
const SECTION: &str = ".AsyncioDebug";
/// In words: `task_name` in a task, `asyncio_running_task` in a thread state.
const TASK_NAME: usize = 1;
const RUNNING_TASK: usize = 11;
const WORDS: usize = 13;
/// Most bytes that are kept of a name: there may be as many as there are tasks.
const NAME_LIMIT: usize = 1024;
/// The structs are smaller.
const STRUCT_LIMIT: u64 = 8192;
/// `PyObject.ob_type` is the head's last word, and `PyTypeObject.tp_name` follows its `ob_size`.
const WORD: u64 = 8;

/// Where a task and its name are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asyncio {
    running_task: u64,
    task_name: u64,
}

impl Asyncio {
    /// `None` where no such module is loaded, or it has no such section.
    #[must_use]
    pub fn find(process: &Process) -> Option<Self> {
        let maps = process.maps().ok()?;
        let may_hold = |mapping: &&Mapping| mapping.executable && mapping.inode != 0 && is_named(mapping);
        let allowance = Allowance::default();
        maps.iter().filter(may_hold).find_map(|mapping| Self::in_file(process, &maps, mapping, &allowance))
    }

    fn in_file(
        process: &Process,
        maps: &[Mapping],
        mapping: &Mapping,
        allowance: &Allowance,
    ) -> Option<Self> {
        let elf = Elf::read(open_mapped(process, mapping).ok()?.file, allowance)?;
        let section = elf.section(SECTION)?;
        let bias = elf.load_bias(maps.iter().filter(|other| other.file() == mapping.file()))?;
        Self::read(&process.memory(), section.wrapping_add(bias))
    }

    fn read(memory: &dyn Memory, at: u64) -> Option<Self> {
        let bytes = memory.bytes(at, WORDS * 8).ok()?;
        let words: Vec<_> = bytes.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word)).collect();
        let asyncio = Self { running_task: words[RUNNING_TASK], task_name: words[TASK_NAME] };
        (asyncio.running_task.max(asyncio.task_name) < STRUCT_LIMIT).then_some(asyncio)
    }

    /// Name of the task that a thread is in the middle of, `None` where it is in none.
    #[must_use]
    pub fn task_name(&self, memory: &dyn Memory, layout: &Layout, thread_state: u64) -> Option<Bytes> {
        let head = layout.object_bytes();
        let pointer = |at: u64| memory.u64(at).ok().filter(|&pointer| pointer != 0);
        let task = pointer(thread_state.wrapping_add(self.running_task))?;
        let name = pointer(task.wrapping_add(self.task_name))?;
        let type_name = pointer(pointer(name.wrapping_add(head - WORD))?.wrapping_add(head + WORD))?;
        match memory.u32(type_name).ok()?.to_le_bytes() {
            [b's', b't', b'r', 0] => {
                let name = text::read(memory, layout, name).ok()?;
                Some(Bytes::copy_from_slice(&name[..name.len().min(NAME_LIMIT)]))
            }
            // A task that nobody has named has a number until somebody asks for its name.
            [b'i', b'n', b't', 0] => {
                Some(format!("Task-{}", number(memory, name.wrapping_add(head))?).into_bytes().into())
            }
            _ => None,
        }
    }
}

fn is_named(mapping: &Mapping) -> bool {
    let has = |part: &[u8]| mapping.file_name().windows(part.len()).any(|window| window == part);
    has(b"_asyncio") || has(b"python")
}

/// The value of an `int` that is not negative, from what follows its head: the number of digits in a tag, above 3 bits,
/// and the digits of 30 bits. <https://github.com/python/cpython/blob/v3.14.0/Include/cpython/longintrepr.h>
fn number(memory: &dyn Memory, tag: u64) -> Option<u64> {
    let digit = |index: u64| memory.u32(tag.wrapping_add(WORD + index * 4)).ok().map(u64::from);
    match memory.u64(tag).ok()? >> 3 {
        1 => digit(0),
        2 => Some(digit(1)? << 30 | digit(0)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::memory::fake::Fake;

    const STATE: u64 = 0x1000;
    const TASK: u64 = 0x2000;
    const NAME: u64 = 0x3000;
    const TYPE: u64 = 0x4000;
    const TYPE_NAME: u64 = 0x5000;

    fn memory(type_name: &[u8; 4], name: &[(u64, &[u8])]) -> Fake {
        let mut memory = Fake::default();
        for address in [STATE, TASK, NAME, TYPE, TYPE_NAME] {
            memory.map(address, vec![0; 64]);
        }
        for (at, pointer) in [(STATE + 16, TASK), (TASK + 24, NAME), (NAME + 8, TYPE), (TYPE + 24, TYPE_NAME)]
        {
            memory.set(at, &pointer.to_le_bytes());
        }
        memory.set(TYPE_NAME, type_name);
        name.iter().for_each(|(offset, bytes)| memory.set(NAME + offset, bytes));
        memory
    }

    #[test]
    fn a_task_has_a_name_or_a_number() {
        let layout = Layout::for_release((3, 14), false).expect("known");
        let asyncio = Asyncio { running_task: 16, task_name: 24 };
        let named = |memory: &Fake| asyncio.task_name(memory, layout, STATE).map(|name| name.to_vec());
        let text: [(u64, &[u8]); 3] = [(16, &[3]), (32, &[1 << 2 | 1 << 5 | 1 << 6]), (40, b"abc")];
        assert_eq!(named(&memory(b"str\0", &text)), Some(b"abc".to_vec()));
        assert_eq!(named(&memory(b"int\0", &[(16, &[1 << 3]), (24, &[7])])), Some(b"Task-7".to_vec()));
        assert_eq!(named(&memory(b"dict", &[])), None);
        let mut idle = memory(b"str\0", &text);
        idle.set(STATE + 16, &[0; 8]);
        assert_eq!(named(&idle), None);
    }

    #[test]
    fn offsets_that_cannot_be_are_not_believed() {
        let mut memory = Fake::default();
        memory.map(STATE, vec![0; WORDS * 8]);
        memory.set(STATE + 8 * RUNNING_TASK as u64, &872_u64.to_le_bytes());
        memory.set(STATE + 8 * TASK_NAME as u64, &136_u64.to_le_bytes());
        let expected = Asyncio { running_task: 872, task_name: 136 };
        assert_eq!(Asyncio::read(&memory, STATE), Some(expected));
        memory.set(STATE + 8, &u64::MAX.to_le_bytes());
        assert_eq!(Asyncio::read(&memory, STATE), None);
    }
}
