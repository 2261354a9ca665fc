//! Reads: one row per process, file and call site.

use crate::python::Frame;
use crate::{pod, sized};

/// System calls of x86-64 that may sleep on the descriptor in their first argument: reads and writes, sockets, syncs,
/// `epoll_wait`, `flock`. One bit per number.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/entry/syscalls/syscall_64.tbl>
pub static DESCRIPTOR_CALLS: [u64; 8] = bits(&[
    0, 1, 17, 18, 19, 20, 42, 43, 44, 45, 46, 47, 73, 74, 75, 232, 281, 288, 295, 296, 299, 307, 327, 328,
    441,
]);

/// A set of system calls.
pub(crate) const fn bits(numbers: &[u32]) -> [u64; 8] {
    let mut bits = [0; 8];
    let mut index = 0;
    while index < numbers.len() {
        bits[numbers[index] as usize / 64] |= 1 << (numbers[index] % 64);
        index += 1;
    }
    bits
}

/// Whether a set of system calls holds this one. Without a branch per number, which would cost the verifier.
#[inline(always)]
pub(crate) fn has(calls: &[u64; 8], syscall: i32) -> bool {
    let number = syscall as u32;
    // Hidden from the compiler, which would leave out the mask; the verifier needs it.
    let word = core::hint::black_box(number as usize / 64) & 7;
    number < 512 && (calls[word] >> (number % 64)) & 1 == 1
}

/// Whether a system call is one of [`DESCRIPTOR_CALLS`].
#[inline(always)]
#[must_use]
pub fn names_descriptor(syscall: i32) -> bool {
    has(&DESCRIPTOR_CALLS, syscall)
}

/// Different sizes of one row that are counted exactly.
pub const SIZES: usize = 16;
/// Different errors of one row that are counted apart.
pub const ERRORS: usize = 4;

/// What makes two reads the same row.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
pub struct ReadKey {
    /// The innermost Python frame; its code is 0 where there is none.
    pub site: Frame,
    /// Address space of `site`.
    pub space: u64,
    /// [`crate::hash::file_id`], or 0 when the descriptor was none.
    pub file: u64,
    /// Process.
    pub pid: u32,
    /// See [`crate::control::slice`].
    pub slice: u32,
    /// Which system call.
    pub syscall: u32,
    /// See [`flag`].
    pub flags: u32,
}

/// Flags of [`ReadKey`].
pub mod flag {
    /// `O_DIRECT`
    pub const DIRECT: u32 = 1;
    /// `O_NONBLOCK`
    pub const NONBLOCKING: u32 = 2;
    /// The descriptor was not open any more when the call returned, or never was.
    pub const NO_FILE: u32 = 4;
    /// Why there is no call site: one of [`crate::python::status`], shifted by this many bits.
    pub const STATUS_SHIFT: u32 = 8;
}

/// Sizes from here on are known by their power of two: this, and the exponent.
const LARGE: u32 = 1 << 31;

/// A size in one word.
#[inline(always)]
#[must_use]
pub const fn size_code(bytes: u64) -> u32 {
    if bytes < LARGE as u64 { bytes as u32 } else { LARGE | (63 - bytes.leading_zeros()) }
}

/// The power of two at or below a size, likewise.
#[inline(always)]
#[must_use]
pub const fn floor_size_code(code: u32) -> u32 {
    if code & LARGE != 0 { code } else { floor_power_of_two(code) }
}

/// Without branches, which would cost the verifier.
#[inline(always)]
const fn floor_power_of_two(size: u32) -> u32 {
    let mut ones = size | size >> 1;
    ones |= ones >> 2;
    ones |= ones >> 4;
    ones |= ones >> 8;
    ones |= ones >> 16;
    ones ^ ones >> 1
}

/// The size that a code stands for, or the power of two below it.
#[must_use]
pub const fn size_of_code(code: u32) -> u64 {
    if code & LARGE == 0 { code as u64 } else { 1 << (code & 63) }
}

/// How often a size or an error was seen.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The size as [`size_code`] has it, or the error's number.
    pub what: u32,
    /// How often; 0 marks a free slot.
    pub count: u32,
}

/// What a row adds up to.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadValue {
    /// Calls.
    pub calls: u64,
    /// Bytes returned.
    pub bytes: u64,
    /// Calls that asked for something and returned 0.
    pub eof: u64,
    /// Calls that returned what a larger one just before them would have brought along: they began where the site's last
    /// one ended, in a file; nothing had been written since the site's last one, in a pipe.
    pub continued: u64,
    /// Calls that left a pipe full: how much more there was to come is not known.
    pub full: u64,
    /// Opens of the file whose first call of this row this was.
    pub opens: u64,
    /// Calls of which it is not known whether they are the first of an open.
    pub opens_unknown: u64,
    /// Calls that read what their own function has opened, by another call.
    pub own: u64,
    /// The whole stack at the row's first call, 0 when there is none.
    pub stack: u64,
    /// Where that call's bytes went: one of [`into`].
    pub into: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
    /// Sizes asked for.
    pub requested: [Tally; SIZES],
    /// Sizes returned, without errors.
    pub returned: [Tally; SIZES],
    /// Errors by number.
    pub errors: [Tally; ERRORS],
}

/// Values of [`ReadValue::into`].
pub mod into {
    /// Not known.
    pub const UNKNOWN: u32 = 0;
    /// Into the `bytes` that the caller gets: `os.read`.
    pub const BYTES: u32 = 1;
    /// Elsewhere: into the buffer of a `BufferedReader`, or one of the caller's own.
    pub const BUFFER: u32 = 2;
}

/// A size that found no free slot in its row; the value counts them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
pub struct SizeKey {
    /// The row.
    pub row: ReadKey,
    /// 0 requested, 1 returned, 2 error.
    pub which: u32,
    /// The power of two at or below the size, as [`size_code`] has it, or the error's number.
    pub what: u32,
}

sized!(ReadKey = 48, Tally = 8, ReadValue = 368, SizeKey = 56);
pod!(ReadKey, ReadValue, SizeKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_a_code_that_means_it_or_its_power_of_two() {
        for (bytes, exact, power) in [
            (0, 0, 0),
            (1, 1, 1),
            (1000, 1000, 512),
            ((1 << 31) - 1, (1 << 31) - 1, 1 << 30),
            (1 << 31, 1 << 31, 1 << 31),
            (1 << 32, 1 << 32, 1 << 32),
            (5 << 30, 1 << 32, 1 << 32),
            (u64::MAX, 1 << 63, 1 << 63),
        ] {
            let code = size_code(bytes);
            assert_eq!((size_of_code(code), size_of_code(floor_size_code(code))), (exact, power), "{bytes}");
        }
    }
}
