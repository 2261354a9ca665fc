//! Where a process keeps the signals that have arrived, and which of them call Python.

use std::collections::HashSet;
use std::path::PathBuf;

use tracer_common::handler::{ENTRY_BYTES, HandlerAddresses, SIGNALS};

use crate::cpython::layout::Layout;
use crate::cpython::memory::Memory;
use crate::cpython::signals::{METHOD_FUNCTION, SignalTable, TABLE_BYTES, functions};
use crate::process::allowance::Allowance;
use crate::process::elf::Elf;
use crate::process::open::{DeviceInode, open_again};
use crate::python::handler_call::HandlerCall;
use crate::python::instructions::{first_int_load, offset_past_mark};
use crate::python::runtime::Runtime;

/// What looks for signals, as far as a release has and exports it. The optimiser copies them into one another, so that
/// none stands for all.
/// <https://github.com/python/cpython/blob/v3.8.18/Modules/signalmodule.c>,
/// <https://github.com/python/cpython/blob/v3.13.0/Python/ceval_gil.c> (`_Py_HandlePending`)
const CHECKERS: [&str; 4] =
    ["PyErr_CheckSignals", "_PyErr_CheckSignals", "_PyErr_CheckSignalsTstate", "_Py_HandlePending"];
/// What lies before `is_tripped` in `_PyRuntime`: a descriptor, and whether to warn.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/internal/pycore_signal.h>
const WAKEUP_BYTES: u64 = 8;
/// `Handlers` is no farther from `is_tripped` than this.
const NEAR: u64 = 4096;
/// Bytes of a function in which its first load must lie.
const CODE: usize = 96;
/// `ob_type` of any object, where there is a GIL.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/object.h>
const TYPE: u32 = 8;

/// The handlers of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handlers {
    /// What the probe must know.
    pub place: HandlerAddresses,
    /// The functions that look for signals: offsets in the interpreter's file.
    pub checkers: Vec<u64>,
    /// Leads to that file.
    pub path: PathBuf,
    /// Which it is.
    pub file: DeviceInode,
    /// Address of the descriptor of `signal.set_wakeup_fd`.
    wakeup: Option<u64>,
    /// Types of `SIG_DFL` and `SIG_IGN`.
    integers: Vec<u64>,
    /// `SIG_DFL` and `SIG_IGN` themselves, as far as the table had them when it was found: they stay where they are.
    dispositions: Vec<u64>,
}

impl Handlers {
    /// Finds them, `None` where they are not to be found.
    pub(super) fn find(memory: &dyn Memory, runtime: &Runtime, layout: &Layout) -> Option<Self> {
        let known = layout.signals;
        let later = layout.longer_head() as u32;
        let none = runtime.symbol("_Py_NoneStruct")?;
        let (is_tripped, handlers) = match known.place {
            SignalTable::Runtime { is_tripped, handlers } => {
                let at = |offset: u32| Some(runtime.address()?.wrapping_add(offset.into()));
                (at(is_tripped)?, at(handlers)?)
            }
            SignalTable::Checker(name) => {
                let is_tripped = loaded_first(runtime, name)?;
                (is_tripped, near(memory, runtime, is_tripped, none)?)
            }
        };
        let place = HandlerAddresses {
            is_tripped,
            handlers,
            none,
            frame_type: runtime.symbol("PyFrame_Type")?,
            function_type: runtime.symbol("PyFunction_Type")?,
            method_type: runtime.symbol("PyMethod_Type")?,
            function_code: known.function_code + later,
            method_function: METHOD_FUNCTION + later,
            object_type: TYPE + later,
            pad: 0,
        };
        // 2.7 has two types of integers.
        let integers = ["PyLong_Type", "PyInt_Type"].into_iter().filter_map(|name| runtime.symbol(name));
        let mut found = Self {
            place,
            checkers: CHECKERS.iter().filter_map(|name| offset_past_mark(&runtime.elf, name)).collect(),
            path: runtime.path.clone(),
            file: runtime.elf.id()?,
            wakeup: match known.place {
                SignalTable::Runtime { .. } => Some(is_tripped.wrapping_sub(WAKEUP_BYTES)),
                SignalTable::Checker(_) => loaded_first(runtime, "PySignal_SetWakeupFd"),
            },
            integers: integers.collect(),
            dispositions: Vec::new(),
        };
        found.dispositions = found.dispositions(memory);
        Some(found)
    }

    /// Whether a release has them where they are found once the interpreter has made its table, soon after its start.
    pub(super) fn will_be_found(runtime: &Runtime, layout: &Layout) -> bool {
        matches!(layout.signals.place, SignalTable::Checker(name) if loaded_first(runtime, name).is_some())
    }

    /// Where they are called, at so many places at most: looked for once they are to be watched, since all code is read for it.
    #[must_use]
    pub fn call(&self, most: usize) -> Option<HandlerCall> {
        let file = open_again(&self.path, self.file).ok()?;
        HandlerCall::find(&Elf::read(file, &Allowance::default())?, most)
    }

    fn dispositions(&self, memory: &dyn Memory) -> Vec<u64> {
        let functions = self.functions(memory).unwrap_or_default();
        let distinct: HashSet<_> = functions.into_iter().filter(|&function| function != 0).collect();
        distinct.into_iter().filter(|&function| !self.is_callable(memory, function)).collect()
    }

    /// Whether CPython calls something for a signal whose entry in the table has this object, as it was at a delivery.
    #[must_use]
    pub fn is_called(&self, function: u64) -> bool {
        function != self.place.none && !self.dispositions.contains(&function)
    }

    /// What each signal calls, by number from 0 on; `None` while the table is not made.
    #[must_use]
    pub fn functions(&self, memory: &dyn Memory) -> Option<Vec<u64>> {
        functions(&memory.bytes(self.place.handlers, TABLE_BYTES).ok()?, self.place.none)
    }

    /// What `signal.set_wakeup_fd` was given, if anything.
    #[must_use]
    pub fn wakeup_fd(&self, memory: &dyn Memory) -> Option<i32> {
        memory.i32(self.wakeup?).ok().filter(|&fd| fd >= 0)
    }

    /// The signals that call something now, bit N - 1 for signal N; `None` while the table is not made.
    #[must_use]
    pub fn callable(&self, memory: &dyn Memory) -> Option<u64> {
        let functions = self.functions(memory)?;
        let distinct: HashSet<_> = functions.iter().copied().collect();
        let callable: HashSet<_> =
            distinct.into_iter().filter(|&function| self.is_callable(memory, function)).collect();
        let signals = (1..=SIGNALS).filter(|&signal| callable.contains(&functions[signal as usize]));
        Some(signals.fold(0, |set, signal| set | 1 << (signal - 1)))
    }

    /// The signals that have arrived and whose handlers have not been called; `None` while the table is not made.
    #[must_use]
    pub fn pending(&self, memory: &dyn Memory) -> Option<u64> {
        let table = memory.bytes(self.place.handlers, TABLE_BYTES).ok()?;
        functions(&table, self.place.none)?;
        let has_arrived = |signal: &u32| table[*signal as usize * ENTRY_BYTES as usize] == 1;
        Some((1..=SIGNALS).filter(has_arrived).fold(0, |set, signal| set | 1 << (signal - 1)))
    }

    /// Neither `None` nor one of the two numbers that stand for dispositions.
    fn is_callable(&self, memory: &dyn Memory, function: u64) -> bool {
        let kind = || memory.u64(function.wrapping_add(self.place.object_type.into()));
        function != 0
            && function != self.place.none
            && kind().is_ok_and(|kind| !self.integers.contains(&kind))
    }
}

/// Address of the variable that a function loads first.
fn loaded_first(runtime: &Runtime, function: &str) -> Option<u64> {
    let start = runtime.elf.exported(function)?.address;
    let variable = first_int_load(&runtime.elf.bytes::<CODE>(start)?, start)?;
    Some(runtime.in_memory(variable))
}

/// The table of handlers, among the variables around another.
fn near(memory: &dyn Memory, runtime: &Runtime, variable: u64, none: u64) -> Option<u64> {
    let segments = runtime.elf.writable();
    let mut variables = segments.map(|range| runtime.in_memory(range.start)..runtime.in_memory(range.end));
    let variables = variables.find(|range| range.contains(&variable))?;
    let start = variables.start.max(variable.wrapping_sub(NEAR)).next_multiple_of(8);
    let end = variables.end.min(variable.wrapping_add(NEAR + TABLE_BYTES as u64));
    let bytes = memory.bytes(start, end.checked_sub(start)? as usize).ok()?;
    let index = bytes.windows(TABLE_BYTES).step_by(8).position(|table| functions(table, none).is_some())?;
    Some(start + 8 * index as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::memory::fake::Fake;

    #[test]
    fn numbers_and_none_call_nothing() {
        const NONE: u64 = 0x5000;
        let mut memory = Fake::default();
        let mut words = [0, 0x2000].repeat(65);
        words[1] = 0;
        (words[65], words[67]) = (NONE, NONE);
        words[2 * 15 + 1] = 0x3000;
        memory.map(0x1000, words.iter().flat_map(|word: &u64| word.to_le_bytes()).collect());
        memory.map(0x2000, [[0; 8], 0x7000_u64.to_le_bytes()].concat()); // an int
        memory.map(0x3000, [[0; 8], 0x8000_u64.to_le_bytes()].concat()); // something else
        let place = HandlerAddresses {
            handlers: 0x1000,
            none: NONE,
            object_type: TYPE,
            ..HandlerAddresses::default()
        };
        let handlers = Handlers {
            place,
            checkers: Vec::new(),
            path: PathBuf::new(),
            file: DeviceInode::default(),
            wakeup: None,
            integers: vec![0x7000],
            dispositions: Vec::new(),
        };
        assert_eq!(handlers.callable(&memory), Some(1 << 14));
        let handlers = Handlers { dispositions: handlers.dispositions(&memory), ..handlers };
        assert_eq!([NONE, 0x2000, 0x3000].map(|function| handlers.is_called(function)), [false, false, true]);
        memory.set(0x1000, &2_u64.to_le_bytes());
        assert_eq!(handlers.callable(&memory), None);
    }
}
