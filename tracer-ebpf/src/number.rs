//! What pid namespaces number tasks.
//!
//! A task's `struct pid` has one number for each level from the initial namespace down to its own.
//! <https://github.com/torvalds/linux/blob/v6.12/include/linux/pid.h#L55>

use tracer_common::control::Control;

use crate::kernel::{self, Typed, copied, word};
use crate::narrow::low;

/// Bytes of a `struct upid`: a number, and the address of the namespace that gave it.
const NUMBER_BYTES: u64 = 16;

/// A pid namespace.
#[derive(Clone, Copy)]
pub struct Namespace {
    /// How deep it lies below the initial one.
    pub level: u32,
    /// Its address; any for the initial one.
    pub address: u64,
}

impl Namespace {
    /// The one that the tracer lives in.
    #[inline(always)]
    pub fn of_tracer(control: &Control) -> Self {
        Self { level: control.pid_level, address: control.pid_namespace }
    }

    /// The innermost that a task lives in.
    #[inline(always)]
    pub fn new(task: Typed) -> Self {
        let ids = ids(task as u64);
        let level = level(ids);
        Self { level, address: upid(ids, level)[1] }
    }

    /// The number of a task, 0 where it has none in here.
    #[inline(always)]
    pub fn number_of(self, task: Typed) -> u32 {
        self.number_in(ids(task as u64))
    }

    /// The number of a task's process.
    #[inline(always)]
    pub fn number_of_process(self, task: Typed) -> u32 {
        self.number_in(ids(word(task as u64, &kernel::TASK_GROUP_LEADER)))
    }

    /// The number that a `struct pid` has in here, 0 for none.
    #[inline(always)]
    pub fn number_in(self, ids: u64) -> u32 {
        number_at(self.level, self.address, ids)
    }
}

/// A global function, see [`crate::python::walk`]: a signal's sender and receiver are six numbers, and each has its ways to be
/// 0.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn number_at(level_wanted: u32, namespace_wanted: u64, ids: u64) -> u32 {
    if level(ids) < level_wanted {
        return 0;
    }
    match upid(ids, level_wanted) {
        // There is only one initial namespace.
        [number, namespace] if level_wanted == 0 || namespace == namespace_wanted => low(number),
        _ => 0,
    }
}

/// The `struct pid` of a task; a number rather than a pointer to the verifier, since a task that is let go has none.
#[inline(always)]
fn ids(task: u64) -> u64 {
    word(task, &kernel::TASK_THREAD_PID)
}

#[inline(always)]
fn level(ids: u64) -> u32 {
    low(word(ids, &kernel::PID_LEVEL))
}

#[inline(always)]
fn upid(ids: u64, level: u32) -> [u64; 2] {
    let at = ids + u64::from(kernel::PID_NUMBERS.load()) + u64::from(level) * NUMBER_BYTES;
    copied(at).unwrap_or_default()
}
