//! What a thread waits for where there is no GIL: CPython's parking lot.

use tracer_common::counters::Probe;
use tracer_common::gil::NEAR_STACK;
use tracer_common::switch::flag;

use super::state::thread_state;
use crate::scratch;
use crate::task::Task;
use crate::user;

/// `struct wait_entry`, on the waiter's stack: the address that it waits for, then the semaphore that it sleeps on.
/// <https://github.com/python/cpython/blob/v3.13.0/Python/parking_lot.c>
const ADDRESS_BEFORE: u64 = 8;
/// `ob_mutex` in the head of an object; objects are 16-byte aligned.
/// <https://github.com/python/cpython/blob/v3.13.0/Include/object.h>
const OBJECT_MUTEX: u64 = 10;
const ALIGNMENT: u64 = 15;

/// Flags of a switch for what the current thread, which sleeps on a futex, is parked for. A global function, see
/// [`super::walk`], by what lies in the scratch buffer.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn parked(futex: u64, stack_pointer: u64) -> u32 {
    let Some(scratch) = scratch::of_probe(Probe::Switch) else { return 0 };
    if futex.wrapping_sub(stack_pointer) >= NEAR_STACK {
        return 0;
    }
    let Some(address) = user::word(scratch.memory, futex - ADDRESS_BEFORE) else { return 0 };
    if address & ALIGNMENT == OBJECT_MUTEX {
        return flag::OBJECT_LOCK;
    }
    let python = &scratch.target.python;
    // A thread that may not go on waits for its own state to change.
    let state = thread_state(python, scratch.memory, Task::current().fsbase()).unwrap_or(0);
    if address == state + u64::from(python.thread_status) { flag::STOPPED_WORLD } else { 0 }
}
