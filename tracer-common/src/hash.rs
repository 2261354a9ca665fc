//! Identity hashes that both sides must compute alike.

/// Where every hash starts (the offset basis of 64-bit FNV-1a).
pub const SEED: u64 = 0xcbf2_9ce4_8422_2325;

/// Folds one word into a hash: FNV-1a over a whole word, with the high half folded back so that all bits count.
#[inline(always)]
#[must_use]
pub const fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
    mixed ^ (mixed >> 29)
}

/// Identity of a file: what a descriptor meant, also after inode numbers have been used again.
#[inline(always)]
#[must_use]
pub const fn file_id(inode: u64, device: u32, generation: u32) -> u64 {
    mix(mix(SEED, inode), ((device as u64) << 32) | generation as u64)
}

/// Identity of what has no name of its own and is soon gone, of some kind on some device: a pipe, a file without a link.
/// Who used its descriptor before it is the same, so that ever new ones are not ever new rows; those that are open at a
/// time are not, and of a few in a row each has its own.
#[inline(always)]
#[must_use]
pub const fn fleeting_id(kind_and_device: u64, inode: u64, pid: u32, descriptor: u32) -> u64 {
    const IN_A_ROW: u64 = 16;
    let descriptor = ((pid as u64) << 32) | descriptor as u64;
    mix(mix(mix(SEED, kind_and_device), inode % IN_A_ROW), descriptor)
}
