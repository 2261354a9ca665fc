//! Where a thread keeps the pointer to its own thread state.
//!
//! Every way here is a guess about somebody else's build, so none is believed before a thread state has been found in
//! the slot of the thread that it belongs to.

use crate::cpython::layout::{Layout, Slot};
use crate::cpython::memory::Memory;
use crate::process::Process;
use crate::process::allowance::Allowance;
use crate::process::elf::Elf;
use crate::process::maps::Mapping;
use crate::process::open::open_mapped;
use crate::python::instructions::loaded_thread_local;
use crate::python::runtime::Runtime;
use crate::python::threads::ThreadState;

/// `struct pthread.specific_1stblock` of glibc on x86-64, where the library does not say it.
/// <https://sourceware.org/git/?p=glibc.git;a=blob;f=nptl/descr.h;hb=refs/tags/glibc-2.36>
const SPECIFIC: u64 = 0x310;
/// Keys whose values lie in `struct pthread` itself: `PTHREAD_KEY_2NDLEVEL_SIZE`.
const KEYS: u32 = 32;
/// `struct pthread_key_data`: a sequence number, and the value at 8.
const KEY_BYTES: u64 = 16;
const KEY_VALUE: u64 = 8;

/// `struct pthread.tsd` of musl on x86-64: a pointer to an array of values.
/// <https://git.musl-libc.org/cgit/musl/tree/src/internal/pthread_impl.h?h=v1.2.5>
const MUSL_TABLE: u16 = 128;
/// `PTHREAD_KEYS_MAX` of musl.
const MUSL_KEYS: u32 = 128;

/// Where the slot lies; all 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ThreadSlot {
    /// Distance from a thread's FS base to a pointer, from which `slot` counts; 0 if it counts from the FS base.
    pub table: u16,
    /// Distance to the slot.
    pub slot: i64,
}

impl ThreadSlot {
    /// The thread state of a thread, `None` where there is no slot.
    pub(crate) fn thread_state(self, memory: &dyn Memory, fsbase: u64) -> Option<u64> {
        let from = match self {
            Self { table: 0, slot: 0 } => return None,
            Self { table: 0, .. } => fsbase,
            Self { table, .. } => memory.u64(fsbase.wrapping_add(table.into())).ok()?,
        };
        memory.u64(from.wrapping_add_signed(self.slot)).ok()
    }

    /// Some thread has its thread state there.
    fn holds(self, memory: &dyn Memory, states: &[ThreadState]) -> bool {
        states.iter().any(|state| self.thread_state(memory, state.thread_id) == Some(state.address))
    }
}

/// The slot, if it can be found.
pub(crate) fn find(
    process: &Process,
    maps: &[Mapping],
    allowance: &Allowance,
    runtime: &Runtime,
    layout: &Layout,
    states: &[ThreadState],
) -> ThreadSlot {
    let memory = process.memory();
    let key = match layout.slot {
        Slot::None => None,
        Slot::KeyVariable(name) => runtime.symbol(name).and_then(|at| memory.u32(at).ok()),
        Slot::RuntimeKey(offset) => key(&memory, runtime, offset),
        Slot::ThreadLocal(_) => {
            let place = thread_local(runtime).map(|slot| ThreadSlot { table: 0, slot });
            return place.filter(|place| place.holds(&memory, states)).unwrap_or_default();
        }
    };
    let Some(key) = key else { return ThreadSlot::default() };
    let in_glibc = (key < KEYS).then(|| glibc(process, maps, allowance, key));
    let mut places = in_glibc.into_iter().chain(musl(key));
    places.find(|place| place.holds(&memory, states)).unwrap_or_default()
}

fn glibc(process: &Process, maps: &[Mapping], allowance: &Allowance, key: u32) -> ThreadSlot {
    let slot = specific(process, maps, allowance) + u64::from(key) * KEY_BYTES + KEY_VALUE;
    ThreadSlot { table: 0, slot: slot.cast_signed() }
}

fn musl(key: u32) -> Option<ThreadSlot> {
    (key < MUSL_KEYS).then(|| ThreadSlot { table: MUSL_TABLE, slot: i64::from(key) * 8 })
}

/// The key in `_PyRuntime`, once it has been made.
fn key(memory: &dyn Memory, runtime: &Runtime, offset: u32) -> Option<u32> {
    let at = runtime.address()?.wrapping_add(offset.into());
    let is_made = memory.u32(at.wrapping_sub(4)).ok()? == 1;
    is_made.then(|| memory.u32(at).ok()).flatten()
}

/// Where glibc keeps the values of the first keys in its `struct pthread`.
///
/// It describes itself to debuggers: `specific` is the array that follows `specific_1stblock`.
/// <https://sourceware.org/git/?p=glibc.git;a=blob;f=nptl_db/structs.def;hb=refs/tags/glibc-2.36>
fn specific(process: &Process, maps: &[Mapping], allowance: &Allowance) -> u64 {
    let first_block = u64::from(KEYS) * KEY_BYTES;
    let described = maps.iter().filter(|mapping| is_libc(mapping)).find_map(|mapping| {
        let elf = Elf::read(open_mapped(process, mapping).ok()?.file, allowance)?;
        // Three words: bits of an element, elements, offset.
        let bytes: [u8; 12] = elf.bytes(elf.exported("_thread_db_pthread_specific")?.address)?;
        let offset = u32::from_le_bytes(bytes[8..].try_into().expect("four bytes"));
        u64::from(offset).checked_sub(first_block)
    });
    described.unwrap_or(SPECIFIC)
}

fn is_libc(mapping: &Mapping) -> bool {
    let name = mapping.file_name();
    mapping.executable
        && (name.starts_with(b"libc.so") || name.starts_with(b"libc-2") || name.starts_with(b"libpthread"))
}

/// Where the thread-local variable of 3.15 lies, if the interpreter is linked into the executable.
///
/// Its accessor is then one load: `mov %fs:OFFSET,%rax; ret`.
/// <https://github.com/python/cpython/blob/v3.15.0/Python/pystate.c>
fn thread_local(runtime: &Runtime) -> Option<i64> {
    let accessor = runtime.elf.exported("PyGILState_GetThisThreadState")?;
    loaded_thread_local(&runtime.elf.bytes::<14>(accessor.address)?)
}
