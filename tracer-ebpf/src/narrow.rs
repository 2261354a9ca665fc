//! Numbers in fewer bits: each of these drops bits for one reason. All else goes by `from`, which drops none.

/// The low half of a word: of a field that is as wide, or of a register whose upper half says nothing.
#[expect(clippy::cast_possible_truncation, reason = "the upper half is another's")]
#[inline(always)]
pub const fn low(word: u64) -> u32 {
    word as u32
}

/// An `int` that C keeps in the low half of a word.
#[inline(always)]
pub const fn int(word: u64) -> i32 {
    low(word).cast_signed()
}

/// The low quarter of a word, likewise.
#[expect(clippy::cast_possible_truncation, reason = "the rest is another's")]
#[inline(always)]
pub const fn low_quarter(word: u64) -> u16 {
    word as u16
}

/// The lowest byte of a word, likewise.
#[expect(clippy::cast_possible_truncation, reason = "the rest is another's")]
#[inline(always)]
pub const fn lowest_byte(word: u64) -> u8 {
    word as u8
}

/// A place in memory, or its length.
#[expect(clippy::cast_possible_truncation, reason = "the kernel's machine has words of 64 bits")]
#[inline(always)]
pub const fn index(word: u64) -> usize {
    word as usize
}

/// A number that the build knows: it fails if that does not fit.
#[expect(clippy::cast_possible_truncation, reason = "as just checked")]
pub const fn count(number: usize) -> u32 {
    assert!(number <= u32::MAX as usize);
    number as u32
}
