//! Where CPython keeps the signals that have arrived, and the functions to call for them.
//!
//! `is_tripped` is set when any signal arrives; `Handlers` has an entry for each, of which `tripped` is set when that
//! one arrives and cleared just before `func` is called.
//! <https://github.com/python/cpython/blob/v3.12.0/Include/internal/pycore_signal.h>

use tracer_common::handler::{ENTRY_BYTES, FUNCTION, SIGNALS};

/// Bytes of `Handlers`.
pub const TABLE_BYTES: usize = (SIGNALS as usize + 1) * ENTRY_BYTES as usize;
/// `PyMethodObject.im_func`
/// <https://github.com/python/cpython/blob/v3.12.0/Include/cpython/classobject.h>
pub const METHOD_FUNCTION: u32 = 16;
/// The C library keeps these two to itself, so that CPython finds no disposition of them at its start, and no program
/// can set one.
/// <https://github.com/python/cpython/blob/v3.12.0/Modules/signalmodule.c> (`signal_get_set_handlers`)
const RESERVED: [u32; 2] = [32, 33];

/// Where one release keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalLayout {
    /// The flags and the table.
    pub place: SignalTable,
    /// `PyFunctionObject.func_code`
    pub function_code: u32,
}

/// Where the flags and the table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalTable {
    /// At these offsets in `_PyRuntime`.
    Runtime {
        /// `is_tripped`
        is_tripped: u32,
        /// `Handlers`
        handlers: u32,
    },
    /// Variables without external linkage. The first plain load of this function is that of `is_tripped`, and
    /// `Handlers` is near.
    Checker(&'static str),
}

/// What each signal calls, by number from 0 on, if these bytes are CPython's table; `none` is the address of `None`.
#[must_use]
pub fn functions(table: &[u8], none: u64) -> Option<Vec<u64>> {
    let (entries, _) = table.get(..TABLE_BYTES)?.as_chunks::<{ ENTRY_BYTES as usize }>();
    let functions: Vec<_> = entries.iter().map_while(function).collect();
    let is_table = functions.len() == entries.len()
        && functions[0] == 0
        && functions[1..].iter().all(|&function| function != 0)
        && RESERVED.iter().all(|&signal| functions[signal as usize] == none);
    is_table.then_some(functions)
}

/// `func` of an entry whose flag is 0 or 1.
fn function(entry: &[u8; ENTRY_BYTES as usize]) -> Option<u64> {
    let (flag, function) = entry.split_at(FUNCTION as usize);
    let flag = u64::from_le_bytes(flag.try_into().ok()?);
    (flag <= 1).then(|| u64::from_le_bytes(function.try_into().expect("the other half")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: u64 = 0x9000;

    fn table(change: impl FnOnce(&mut [u64])) -> Vec<u8> {
        let mut words = [0, 0x1000].repeat(SIGNALS as usize + 1);
        words[1] = 0;
        RESERVED.iter().for_each(|&signal| words[2 * signal as usize + 1] = NONE);
        change(&mut words);
        words.iter().flat_map(|word: &u64| word.to_le_bytes()).collect()
    }

    #[test]
    fn only_a_table_of_handlers_is_taken_for_one() {
        let found = |bytes: &[u8]| functions(bytes, NONE).is_some();
        assert!(found(&table(|_| {})));
        assert!(found(&table(|words| words[20] = 1)), "one has arrived");
        let whole = [vec![0; 16], table(|_| {}), vec![0; 16]].concat();
        assert!(!found(&whole) && !found(&whole[32..]), "an entry too early, or too late");
        for (name, bytes) in [
            ("a flag that is none", table(|words| words[20] = 2)),
            ("no function", table(|words| words[21] = 0)),
            ("a reserved signal in use", table(|words| words[65] = 0x1000)),
            ("cut", table(|_| {})[..1000].to_vec()),
        ] {
            assert!(!found(&bytes), "{name}");
        }
    }
}
