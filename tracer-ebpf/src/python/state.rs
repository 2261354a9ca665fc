//! Which thread state is the current thread's, and whose GIL that one waits for.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_loop;
use tracer_common::gil::GILS;
use tracer_common::python::{Python, THREAD_STATES, status};

use super::top_frame::TopFrame;
use crate::direct::Memory;
use crate::gil;
use crate::scratch;
use crate::task::Task;
use crate::user;

/// Address of the current thread's `PyThreadState`, also while another thread holds the GIL.
#[inline(always)]
pub fn thread_state(python: &Python, memory: Memory, fsbase: u64) -> Result<u64, u32> {
    if !python.has_slot() {
        return listed_thread_state(python, memory, fsbase, false);
    }
    slot_thread_state(python, memory, fsbase)
}

/// The same, of a process whose threads have slots.
#[inline(always)]
pub fn slot_thread_state(python: &Python, memory: Memory, fsbase: u64) -> Result<u64, u32> {
    let table = match python.thread_state_table {
        0 => fsbase,
        table => user::word(memory, fsbase + u64::from(table)).ok_or(status::FAULTED)?,
    };
    match user::word(memory, table.wrapping_add_signed(python.thread_state_slot)) {
        Some(0) => Err(status::NO_PYTHON_FRAME),
        Some(state) => Ok(state),
        None => Err(status::FAULTED),
    }
}

/// The search for a thread state whose thread is the current one, through all interpreters.
#[repr(C)]
struct StateSearch {
    interpreter: u64,
    state: u64,
    wanted: u64,
    memory: Memory,
    threads: u32,
    next_interpreter: u32,
    thread_id: u16,
    next: u16,
    /// 1 where only a state with a frame will do.
    with_frame: u16,
    top_frame: TopFrame,
    found: u16,
    faulted: u16,
}

/// Whether the current thread may have another thread state, in which it has frames: 3.12 takes another interpreter's GIL
/// with the thread state that it goes over to, in which nothing runs yet.
/// <https://github.com/python/cpython/blob/v3.12.0/Python/pystate.c> (`PyThreadState_Swap`)
#[inline(always)]
pub fn may_have_others(python: &Python, memory: Memory) -> bool {
    python.interpreter_gil != 0
        && user::word(memory, python.interpreters_head) != Some(python.main_interpreter)
}

/// The current thread's state in the newest interpreter where it has one, with a frame if that is asked for.
#[inline(always)]
pub fn listed_thread_state(
    python: &Python,
    memory: Memory,
    fsbase: u64,
    with_frame: bool,
) -> Result<u64, u32> {
    let layout = &python.layout;
    let interpreter = user::word(memory, python.interpreters_head).ok_or(status::FAULTED)?;
    let mut search = StateSearch {
        interpreter,
        state: 0,
        wanted: fsbase,
        memory,
        threads: layout.threads_head,
        next_interpreter: layout.interpreter_next,
        thread_id: layout.thread_id,
        next: layout.thread_next,
        with_frame: u16::from(with_frame),
        top_frame: TopFrame::of(layout),
        found: 0,
        faulted: 0,
    };
    // SAFETY: `search_step` has the signature that the helper wants, and `search` outlives the loop.
    unsafe { bpf_loop(THREAD_STATES, search_step as *mut c_void, (&raw mut search).cast(), 0) };
    match (search.found, search.faulted) {
        (1, _) => Ok(search.state),
        (_, 1) => Err(status::FAULTED),
        _ => Err(status::NO_PYTHON_FRAME),
    }
}

#[inline(never)]
unsafe extern "C" fn search_step(_index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` hands on what it was given.
    let search = unsafe { &mut *context.cast::<StateSearch>() };
    if search.state == 0 {
        return search_interpreter(search);
    }
    let (thread, next) = (
        user::word(search.memory, search.state + u64::from(search.thread_id)),
        user::word(search.memory, search.state + u64::from(search.next)),
    );
    let (Some(thread), Some(next)) = (thread, next) else {
        search.faulted = 1;
        return 1;
    };
    if thread == search.wanted && is_wanted(search) {
        search.found = 1;
        return 1;
    }
    search.state = next;
    0
}

#[inline(always)]
fn is_wanted(search: &StateSearch) -> bool {
    search.with_frame == 0
        || search.top_frame.address(search.memory, search.state).is_ok_and(|frame| frame != 0)
}

/// Goes on to the threads of the next older interpreter.
#[inline(always)]
fn search_interpreter(search: &mut StateSearch) -> i64 {
    if search.interpreter == 0 {
        return 1;
    }
    let (state, next) = (
        user::word(search.memory, search.interpreter + u64::from(search.threads)),
        user::word(search.memory, search.interpreter + u64::from(search.next_interpreter)),
    );
    let (Some(state), Some(next)) = (state, next) else {
        search.faulted = 1;
        return 1;
    };
    (search.state, search.interpreter) = (state, next);
    0
}

/// Address of the GIL of the current thread's own interpreter, or of the one that a variable leads to now; 0 where there is
/// only one, which is known, or none. A global function, see [`super::walk`], by what lies in the scratch buffer.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn own_gil(probe: u32) -> u64 {
    let Some(scratch) = scratch::get(probe) else { return 0 };
    let (python, memory) = (&scratch.target.python, scratch.memory);
    if python.gil_variable != 0 {
        return user::word(memory, python.gil_variable).unwrap_or(0);
    }
    if python.interpreter_gil == 0 {
        return 0;
    }
    // Most processes have one.
    if user::word(memory, python.interpreters_head) == Some(python.main_interpreter) {
        return 0;
    }
    let Ok(state) = thread_state(python, memory, Task::current().fsbase()) else { return 0 };
    let interpreter = user::word(memory, state + u64::from(python.thread_interpreter));
    let gil = interpreter.and_then(|at| user::word(memory, at + u64::from(python.interpreter_gil)));
    gil.filter(|&gil| gil != python.gil).unwrap_or(0)
}

/// The search for an interpreter for whose GIL a futex is slept on.
#[repr(C)]
struct GilSearch {
    interpreter: u64,
    futex: u64,
    stack_pointer: u64,
    found: u64,
    memory: Memory,
    main: u64,
    gil: u32,
    gil_bytes: u32,
    next: u32,
    pad: u32,
}

/// Address of the GIL that a futex is slept on for, of any interpreter beside the main one; 0 for none. A thread that goes
/// over to another interpreter waits for that one's GIL, and its thread state is still the one that it leaves.
/// A global function, see [`super::walk`], by what lies in the scratch buffer.
/// <https://github.com/python/cpython/blob/v3.13.0/Python/pystate.c> (`_PyThreadState_Attach`)
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn gil_with(probe: u32, futex: u64, stack_pointer: u64) -> u64 {
    let Some(scratch) = scratch::get(probe) else { return 0 };
    let (python, memory) = (&scratch.target.python, scratch.memory);
    if python.interpreter_gil == 0 {
        return 0;
    }
    let mut search = GilSearch {
        interpreter: user::word(memory, python.interpreters_head).unwrap_or(0),
        futex,
        stack_pointer,
        found: 0,
        memory,
        main: python.main_interpreter,
        gil: python.interpreter_gil,
        gil_bytes: python.gil_bytes,
        next: python.layout.interpreter_next,
        pad: 0,
    };
    if search.interpreter != search.main {
        // SAFETY: `gil_step` has the signature that the helper wants, and `search` outlives the loop.
        unsafe { bpf_loop(GILS, gil_step as *mut c_void, (&raw mut search).cast(), 0) };
    }
    search.found
}

/// Searches one interpreter, and goes on to the next older one.
#[inline(never)]
unsafe extern "C" fn gil_step(_index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` hands on what it was given.
    let search = unsafe { &mut *context.cast::<GilSearch>() };
    if search.interpreter == 0 || search.interpreter == search.main {
        return 1;
    }
    let gil = user::word(search.memory, search.interpreter + u64::from(search.gil)).unwrap_or(0);
    if gil::is_slept_on(gil, search.gil_bytes, search.futex, search.stack_pointer) {
        search.found = gil;
        return 1;
    }
    search.interpreter = user::word(search.memory, search.interpreter + u64::from(search.next)).unwrap_or(0);
    0
}
