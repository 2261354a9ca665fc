//! Where an interpreter's GIL lies: a thread that sleeps on a futex in there waits for it.

use std::io;
use std::ops::Range;

use tracer_common::gil::{LAST_HOLDER, LOCKED};

use crate::cpython::layout::{GIL_BYTES, Gil, Layout};
use crate::cpython::memory::Memory;
use crate::python::runtime::Runtime;

/// Variables of one GIL lie closer than this.
const VARIABLES_LIMIT: u64 = 1024;
/// Largest switch interval that is believed, in microseconds: a quarter of an hour.
const INTERVAL_LIMIT: u64 = 1_000_000_000;

/// Where a GIL lies.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct GilAddress {
    /// A thread that sleeps on a futex in here waits for it.
    pub futexes: Range<u64>,
    /// Where it is made when the first thread is started, and anew in a forked child: a pointer to it.
    pub variable: Option<u64>,
    /// Where it says which thread state holds it, and whether one does.
    pub holder: Option<(u64, u64)>,
}

/// The GIL of an interpreter state, `None` where it is not known.
pub(crate) fn find(
    memory: &dyn Memory,
    runtime: &Runtime,
    layout: &Layout,
    interpreter: u64,
) -> Option<GilAddress> {
    match layout.gil {
        Gil::Lock { variable, bytes } => {
            // `PyEval_InitThreads`, `PyEval_ReInitThreads`: https://github.com/python/cpython/blob/v2.7.18/Python/ceval.c
            let variable = runtime.symbol(variable)?;
            let lock = memory.u64(variable).ok()?;
            let futexes = lock..lock.checked_add(bytes.into())?;
            Some(GilAddress { futexes, variable: Some(variable), holder: None })
        }
        Gil::Variables(names) => {
            // https://github.com/python/cpython/blob/v3.6.15/Python/ceval_gil.h#L98
            let holder = (|| Some((runtime.symbol("gil_last_holder")?, runtime.symbol("gil_locked")?)))();
            Some(GilAddress { futexes: variables(runtime, names)?, variable: None, holder })
        }
        Gil::Runtime(offset) => state(memory, runtime.address()?.wrapping_add(offset.into())),
        Gil::Interpreter(offset) => state(memory, memory.u64(interpreter.wrapping_add(offset.into())).ok()?),
        Gil::Switched(offset) => switched(memory, memory.u64(interpreter.wrapping_add(offset.into())).ok()?),
    }
}

/// From the first to the last of some variables.
fn variables(runtime: &Runtime, names: &[&str]) -> Option<Range<u64>> {
    let symbols: Option<Vec<_>> = names.iter().map(|name| runtime.elf.symbol(name)).collect();
    let symbols = symbols?;
    let start = symbols.iter().map(|symbol| symbol.address).min()?;
    let end = symbols.iter().map(|symbol| symbol.address.saturating_add(symbol.size)).max()?;
    (end - start < VARIABLES_LIMIT).then(|| runtime.in_memory(start)..runtime.in_memory(end))
}

/// A `_gil_runtime_state`, if it looks like one: patch releases of 3.7 moved it.
///
/// It begins with the switch interval, the last holder and `locked`, which is -1 before the GIL is made.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/internal/pycore_gil.h>
fn state(memory: &dyn Memory, at: u64) -> Option<GilAddress> {
    let interval = memory.u64(at).ok()?;
    let locked = memory.i32(at.wrapping_add(LOCKED)).ok()?;
    let plausible = (1..=INTERVAL_LIMIT).contains(&interval) && (-1..=1).contains(&locked);
    let holder = Some((at.wrapping_add(LAST_HOLDER), at.wrapping_add(LOCKED)));
    let futexes = at..at.saturating_add(GIL_BYTES.into());
    plausible.then_some(GilAddress { futexes, variable: None, holder })
}

/// The same after `enabled`, which is 0 while there is no GIL.
/// <https://github.com/python/cpython/blob/v3.13.0/Include/internal/pycore_gil.h>
fn switched(memory: &dyn Memory, at: u64) -> Option<GilAddress> {
    let is_on = memory.i32(at).ok()? != 0;
    if is_on { state(memory, at.wrapping_add(8)) } else { None }
}

/// The thread state that holds a GIL, `None` while it is free.
///
/// A `_gil_runtime_state` is the switch interval, `last_holder`, `locked`. A thread that gives it up stays the last holder.
/// <https://github.com/python/cpython/blob/v3.12.0/Python/ceval_gil.c>
pub(crate) fn holder(memory: &dyn Memory, gil: u64) -> io::Result<Option<u64>> {
    let is_locked = memory.i32(gil.wrapping_add(LOCKED))? == 1;
    let last_holder = memory.u64(gil.wrapping_add(LAST_HOLDER))?;
    Ok((is_locked && last_holder != 0).then_some(last_holder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::memory::fake::Fake;

    #[test]
    fn what_is_no_gil_is_not_taken_for_one() {
        for (name, interval, locked, expected) in [
            ("5 ms, locked", 5000, 1, true),
            ("not made yet", 5000, -1, true),
            ("no interval", 0, 1, false),
            ("a pointer", 0x7f00_0000_1000, 1, false),
            ("no state of a lock", 5000, 77, false),
        ] {
            let mut memory = Fake::default();
            memory.map(0x1000, vec![0; 208]);
            memory.set(0x1000, &u64::to_le_bytes(interval));
            memory.set(0x1010, &i32::to_le_bytes(locked));
            let place =
                GilAddress { futexes: 0x1000..0x10d0, variable: None, holder: Some((0x1008, 0x1010)) };
            assert_eq!(state(&memory, 0x1000), expected.then_some(place), "{name}");
        }
    }

    #[test]
    fn a_gil_that_is_switched_off_is_none() {
        for enabled in [0, 1, i32::MAX] {
            let mut memory = Fake::default();
            memory.map(0x1000, vec![0; 216]);
            memory.set(0x1000, &enabled.to_le_bytes());
            memory.set(0x1008, &u64::to_le_bytes(5000));
            let place =
                GilAddress { futexes: 0x1008..0x10d8, variable: None, holder: Some((0x1010, 0x1018)) };
            assert_eq!(switched(&memory, 0x1000), (enabled != 0).then_some(place), "{enabled}");
        }
    }
}
