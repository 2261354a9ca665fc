//! The thread states of an interpreter, and which thread each belongs to.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::cpython::layout::Layout;
use crate::cpython::memory::Memory;
use crate::event::Tid;

/// Most interpreter states that are followed.
const INTERPRETERS: usize = 1024;
/// Most thread states that are followed.
const THREADS: usize = 1 << 16;
/// glibc's `struct pthread` has the thread's id within so many bytes.
const PTHREAD_BYTES: usize = 2048;
/// Where it lies in glibc's on x86-64.
/// <https://sourceware.org/git/?p=glibc.git;a=blob;f=nptl/descr.h;hb=refs/tags/glibc-2.36>
const USUAL_OFFSET: usize = 720;
/// Threads whose `struct pthread` is read.
const PTHREADS: usize = 64;

/// A `PyThreadState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadState {
    /// Its address.
    pub address: u64,
    /// `pthread_self()` of its thread, which is its FS base.
    pub thread_id: u64,
    /// Its thread's id in the target's own pid namespace, from 3.11 on.
    pub native_id: Option<Tid>,
}

/// The interpreter states, newest first: the last one is the main interpreter's.
///
/// # Errors
/// When memory cannot be read.
pub fn interpreters(memory: &dyn Memory, layout: &Layout, head: u64) -> io::Result<Vec<u64>> {
    chain(memory, memory.u64(head)?, layout.interpreter.next.into(), INTERPRETERS)
}

/// The thread states of all interpreters.
///
/// # Errors
/// When memory cannot be read.
pub fn thread_states(memory: &dyn Memory, layout: &Layout, head: u64) -> io::Result<Vec<ThreadState>> {
    let mut states = Vec::new();
    for interpreter in interpreters(memory, layout, head)? {
        let mut at = memory.u64(interpreter.wrapping_add(layout.interpreter.threads.into()))?;
        while at != 0 && states.len() < THREADS {
            let (state, next) = ThreadState::read(memory, layout, at)?;
            states.push(state);
            at = next;
        }
    }
    Ok(states)
}

impl ThreadState {
    /// One, and the address of the next older.
    fn read(memory: &dyn Memory, layout: &Layout, address: u64) -> io::Result<(Self, u64)> {
        let fields = &layout.thread;
        let bytes = memory.bytes(address, usize::from(fields.last_of_list()) + 8)?;
        let word = |offset: u16| {
            let (word, _) = bytes[offset.into()..].split_first_chunk().expect("as long as its last field");
            u64::from_le_bytes(*word)
        };
        let native_id = fields.native_id.and_then(|offset| Tid::try_from(word(offset)).ok());
        Ok((Self { address, thread_id: word(fields.id), native_id }, word(fields.next)))
    }
}

/// Follows `next` pointers up to a limit.
fn chain(memory: &dyn Memory, first: u64, next: u64, limit: usize) -> io::Result<Vec<u64>> {
    let mut chain = Vec::new();
    let mut at = first;
    while at != 0 && chain.len() < limit {
        chain.push(at);
        at = memory.u64(at.wrapping_add(next))?;
    }
    Ok(chain)
}

/// Thread states by the id of their thread in the target's own pid namespace.
///
/// A thread state knows its thread as pthreads do, by the address of a `struct pthread`; the C library keeps the
/// kernel's id somewhere in there. Where that cannot be found, what CPython noted itself is used: it is as good, except
/// in a forked child of some releases.
#[must_use]
pub fn by_tid(memory: &dyn Memory, states: &[ThreadState], tids: &[Tid]) -> HashMap<Tid, Vec<ThreadState>> {
    let known: HashSet<_> = tids.iter().copied().collect();
    let pthreads = tid_offset(memory, states, &known).map_or_else(Vec::new, |offset| {
        let addresses = states.iter().map(|state| state.thread_id.wrapping_add(offset));
        memory.u32s(&addresses.collect::<Vec<_>>())
    });
    let mut by_tid: HashMap<Tid, Vec<ThreadState>> = HashMap::new();
    for (index, state) in states.iter().enumerate() {
        let pthread = pthreads.get(index).copied().flatten();
        let Some(tid) = pthread.filter(|tid| known.contains(tid)).or(state.native_id) else { continue };
        by_tid.entry(tid).or_default().push(*state);
    }
    by_tid
}

/// Where in a `struct pthread` the thread's id lies: where the most different threads are named.
fn tid_offset(memory: &dyn Memory, states: &[ThreadState], known: &HashSet<Tid>) -> Option<u64> {
    let mut named = vec![HashSet::<Tid>::new(); PTHREAD_BYTES / 4];
    for state in states.iter().take(PTHREADS) {
        let bytes = pthread(memory, state.thread_id);
        for (word, named) in bytes.as_chunks().0.iter().zip(&mut named) {
            named.extend(known.get(&u32::from_le_bytes(*word)));
        }
    }
    // In a pid namespace ids are small, and so are many other numbers.
    let most = named.iter().map(HashSet::len).max().filter(|&most| most > 0)?;
    let mut offsets = (0..named.len()).filter(|&index| named[index].len() == most).map(|index| index * 4);
    let first = offsets.next()?;
    Some(if offsets.any(|offset| offset == USUAL_OFFSET) { USUAL_OFFSET } else { first } as u64)
}

/// A `struct pthread`, as much of it as is mapped: those of other C libraries are smaller.
fn pthread(memory: &dyn Memory, at: u64) -> Vec<u8> {
    let lengths = [PTHREAD_BYTES, PTHREAD_BYTES / 4, PTHREAD_BYTES / 16];
    lengths.into_iter().find_map(|length| memory.bytes(at, length).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::memory::fake::Fake;

    const HEAD: u64 = 0x1000;
    const INTERPRETER: u64 = 0x2000;
    const STATES: u64 = 0x3000;

    fn layout() -> &'static Layout {
        Layout::for_release((3, 10), false).expect("known")
    }

    /// One interpreter with as many threads as ids: each state points at the next, the last at `end`.
    fn memory(pthreads: &[u64], end: u64) -> Fake {
        let mut memory = Fake::default();
        memory.map(HEAD, INTERPRETER.to_le_bytes().to_vec());
        memory.map(INTERPRETER, [[0; 8], STATES.to_le_bytes()].concat());
        memory.map(STATES, vec![0; pthreads.len() * 256]);
        for (index, pthread) in pthreads.iter().enumerate() {
            let at = STATES + index as u64 * 256;
            let next = if index + 1 == pthreads.len() { end } else { at + 256 };
            memory.set(at + 8, &next.to_le_bytes());
            memory.set(at + 176, &pthread.to_le_bytes());
        }
        memory
    }

    #[test]
    fn follows_both_lists() {
        let states = thread_states(&memory(&[7, 8], 0), layout(), HEAD).expect("mapped");
        let ids: Vec<_> = states.iter().map(|state| (state.address, state.thread_id)).collect();
        assert_eq!(ids, [(STATES, 7), (STATES + 256, 8)]);
    }

    #[test]
    fn a_cycle_ends_at_the_limit() {
        let states = thread_states(&memory(&[7, 8], STATES), layout(), HEAD).expect("mapped");
        assert_eq!(states.len(), THREADS);
    }

    #[test]
    fn finds_where_pthreads_keep_the_id() {
        let pthreads = [0x10_0000, 0x20_0000];
        let mut memory = memory(&pthreads, 0);
        for (&pthread, tid) in pthreads.iter().zip([41_u32, 42]) {
            memory.map(pthread, vec![0; PTHREAD_BYTES]);
            memory.set(pthread + 720, &tid.to_le_bytes());
        }
        // Hits by chance: a counter that is the same in both, and a number in one of them.
        pthreads.iter().for_each(|pthread| memory.set(pthread + 8, &41_u32.to_le_bytes()));
        memory.set(pthreads[0] + 16, &42_u32.to_le_bytes());
        let states = thread_states(&memory, layout(), HEAD).expect("mapped");
        let by_tid = by_tid(&memory, &states, &[41, 42, 43]);
        assert_eq!((by_tid[&41][0].address, by_tid[&42][0].address), (STATES, STATES + 256));
    }
}
