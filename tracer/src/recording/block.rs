//! Blocks: records that are written together, and checked before anybody reads them.
//!
//! ```text
//!  0  marker           4 bytes
//!  4  packed length    of what follows the header
//!  8  raw length       of that, unpacked
//!  12 checksum         of what follows the header (CRC-32)
//!  16 checksum         of the header so far
//! ```
//! Numbers are little-endian. The marker is for those who look for the next block after a damaged one.

use ruzstd::decoding::FrameDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// Begins each block.
pub const MARKER: [u8; 4] = *b"\nBLK";
/// Bytes of a header.
pub const HEADER: usize = 20;
/// Most that a block may have unpacked: its writer ends it long before.
pub const LARGEST: usize = 16 << 20;
/// Most that it may have packed: what cannot be compressed grows a little.
pub const LARGEST_PACKED: usize = LARGEST + (64 << 10);
/// What the decoder may keep of what it has unpacked; our own blocks ask for less than their length.
const WINDOW: u64 = LARGEST as u64;

/// A block as it is in the file.
#[must_use]
pub fn pack(raw: &[u8]) -> Vec<u8> {
    let packed = compress_to_vec(raw, CompressionLevel::Fastest);
    let mut block = Vec::with_capacity(HEADER + packed.len());
    block.extend(MARKER);
    block.extend(length(packed.len()).to_le_bytes());
    block.extend(length(raw.len()).to_le_bytes());
    block.extend(crc32fast::hash(&packed).to_le_bytes());
    block.extend(crc32fast::hash(&block).to_le_bytes());
    block.extend(packed);
    block
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("blocks are small")
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes after the header.
    pub packed: usize,
    /// Bytes of that, unpacked.
    pub raw: usize,
    checksum: u32,
}

impl Header {
    /// Reads one; `None` where there is none, or one that asks for more than any block has.
    #[must_use]
    pub fn read(bytes: &[u8; HEADER]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let header = Self { packed: word(4) as usize, raw: word(8) as usize, checksum: word(12) };
        let is_header = bytes[..4] == MARKER && crc32fast::hash(&bytes[..16]) == word(16);
        let is_small = header.packed <= LARGEST_PACKED && header.raw <= LARGEST;
        (is_header && is_small).then_some(header)
    }

    /// Unpacks what follows it; `None` where that is damaged.
    #[must_use]
    pub fn unpack(&self, packed: &[u8]) -> Option<Vec<u8>> {
        if crc32fast::hash(packed) != self.checksum {
            return None;
        }
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW);
        let mut raw = vec![0; self.raw];
        let unpacked = decoder.decode_all(packed, &mut raw).ok()?;
        (unpacked == self.raw).then_some(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(block: &[u8]) -> Option<Vec<u8>> {
        Header::read(block[..HEADER].try_into().unwrap())?.unpack(&block[HEADER..])
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        let mut noise = 1_u32;
        let mut random = || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        };
        for raw in [vec![], vec![7], vec![0; LARGEST], (0..300_000).map(|_| random()).collect()] {
            let block = pack(&raw);
            assert!(block.len() <= raw.len() + (1 << 10), "{} of {}", block.len(), raw.len());
            assert_eq!(unpacked(&block).as_deref(), Some(&*raw));
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed_wherever_it_is() {
        let block = pack(&(0..200_u8).collect::<Vec<_>>());
        for at in 0..block.len() * 8 {
            let mut flipped = block.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert_eq!(unpacked(&flipped), None, "bit {at}");
        }
    }

    /// A few bytes that say that they are a gigabyte are none of ours.
    #[test]
    fn nothing_is_unpacked_that_is_larger_than_it_says() {
        let mut block = pack(&[0; 4096]);
        block[8..12].copy_from_slice(&100_u32.to_le_bytes());
        let checksum = crc32fast::hash(&block[..16]);
        block[16..20].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(unpacked(&block), None);
        block[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        let checksum = crc32fast::hash(&block[..16]);
        block[16..20].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(unpacked(&block), None, "not even the room for it is made");
    }
}
