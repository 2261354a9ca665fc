//! Strings of the target as bytes: UTF-8, extended so that nothing is lost.
//!
//! A `str` may hold lone surrogates, such as those of file names that are no UTF-8. Each becomes the three bytes that
//! its code point would have (as in WTF-8), which the report's sanitiser shows as invalid.

use std::io;

use crate::cpython::layout::{Layout, Names};
use crate::cpython::memory::Memory;
use crate::event::Bytes;

/// Marks a name that was cut.
const ELLIPSIS: &[u8] = "…".as_bytes();
/// Most characters that are read of a name: as many as a report keeps.
const NAME_LIMIT: u64 = 16 * 1024;

/// A string's characters, as they lie in memory.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// Bytes a character: 1, 2 or 4.
    pub width: u32,
    /// The characters.
    pub bytes: &'a [u8],
    /// More characters followed.
    pub cut: bool,
}

/// The text of a string.
#[must_use]
pub fn decode(names: Names, raw: Raw<'_>) -> Bytes {
    let mut text = match (names, raw.width) {
        (Names::Bytes, _) => raw.bytes.to_vec(),
        (Names::Unicode { .. }, 1) => encode(raw.bytes.iter().map(|&byte| byte.into())),
        (Names::Unicode { .. }, 2) => {
            encode(raw.bytes.as_chunks().0.iter().map(|&unit| u16::from_le_bytes(unit).into()))
        }
        (Names::Unicode { .. }, _) => {
            encode(raw.bytes.as_chunks().0.iter().map(|&unit| u32::from_le_bytes(unit)))
        }
    };
    if raw.cut {
        text.extend_from_slice(ELLIPSIS);
    }
    text.into()
}

/// Reads a string object: a `str`, or what stands for one in 2.7.
///
/// # Errors
/// When memory cannot be read, or holds no compact string.
pub fn read(memory: &dyn Memory, layout: &Layout, string: u64) -> io::Result<Bytes> {
    let length = memory.u64(string.wrapping_add(layout.ob_size()))?;
    let (width, data) = shape(memory, layout, string)?;
    let kept = length.min(NAME_LIMIT);
    let bytes = memory.bytes(string.wrapping_add(data), kept as usize * width as usize)?;
    Ok(decode(layout.strings.names, Raw { width, bytes: &bytes, cut: kept < length }))
}

/// Bytes a character, and where the characters begin.
fn shape(memory: &dyn Memory, layout: &Layout, string: u64) -> io::Result<(u32, u64)> {
    let Names::Unicode { ascii, compact } = layout.strings.names else {
        return Ok((1, layout.strings.bytes.into()));
    };
    let state = memory.u32(string.wrapping_add(layout.str_state()))?;
    let state = state >> if layout.has_interned_byte() { 8 } else { 2 };
    let (kind, is_compact, is_ascii) = (state & 7, state & 8 != 0, state & 16 != 0);
    if !is_compact || !matches!(kind, 1 | 2 | 4) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no compact string"));
    }
    Ok((kind, if is_ascii { ascii } else { compact }.into()))
}

fn encode(code_points: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut text = Vec::new();
    for code_point in code_points {
        match (char::from_u32(code_point), code_point) {
            (Some(character), _) => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            (None, 0xd800..=0xdfff) => text.extend_from_slice(&surrogate(code_point)),
            (None, _) => text.extend_from_slice("\u{fffd}".as_bytes()),
        }
    }
    text
}

/// The three bytes that UTF-8 would give a surrogate if it allowed any.
fn surrogate(code_point: u32) -> [u8; 3] {
    [0xed, 0x80 | (code_point >> 6) as u8 & 0x3f, 0x80 | code_point as u8 & 0x3f]
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNICODE: Names = Names::Unicode { ascii: 40, compact: 56 };

    #[test]
    fn a_state_is_read_as_its_build_has_it() {
        use crate::cpython::memory::fake::Fake;
        const STRING: u64 = 0x1000;
        // What `f.py` of each build begins with: interned for good, one byte a character, compact, ASCII.
        for (release, free_threaded, state) in [
            ((3, 13), false, 3_u32 | 1 << 2 | 1 << 5 | 1 << 6),
            ((3, 14), false, 3 | 1 << 2 | 1 << 5 | 1 << 6),
            ((3, 13), true, 3 | 1 << 2 | 1 << 5 | 1 << 6),
            ((3, 14), true, 3 | 1 << 8 | 1 << 11 | 1 << 12),
            ((3, 15), true, 3 | 1 << 8 | 1 << 11 | 1 << 12),
        ] {
            let layout = Layout::for_release((release.0, release.1), free_threaded).expect("known");
            let Names::Unicode { ascii, .. } = layout.strings.names else { unreachable!() };
            let mut memory = Fake::default();
            memory.map(STRING, [&vec![0; ascii.into()][..], b"f.py"].concat());
            memory.set(STRING + layout.ob_size(), &4_u64.to_le_bytes());
            memory.set(STRING + layout.str_state(), &state.to_le_bytes());
            let name = read(&memory, layout, STRING).expect("a compact string");
            assert_eq!(&*name, b"f.py", "{release:?} {free_threaded}");
        }
    }

    #[test]
    fn every_width_becomes_utf8() {
        for (name, names, width, bytes, expected) in [
            ("ascii", UNICODE, 1, &b"f.py"[..], "f.py".as_bytes()),
            ("latin-1", UNICODE, 1, b"\xe9t\xe9", "été".as_bytes()),
            ("two bytes", UNICODE, 2, b"\x3b\x4e\x2e\0", "主.".as_bytes()),
            ("four bytes", UNICODE, 4, b"\x0d\xf4\x01\0", "🐍".as_bytes()),
            ("a surrogate", UNICODE, 2, b"\xff\xdc", b"\xed\xb3\xbf"),
            ("no code point", UNICODE, 4, b"\0\0\x11\0", "\u{fffd}".as_bytes()),
            ("half a character", UNICODE, 2, b"a\0b", b"a"),
            ("2.7", Names::Bytes, 1, b"\xe9t\xe9", b"\xe9t\xe9"),
        ] {
            assert_eq!(&*decode(names, Raw { width, bytes, cut: false }), expected, "{name}");
        }
        assert_eq!(&*decode(UNICODE, Raw { width: 1, bytes: b"long", cut: true }), "long…".as_bytes());
    }
}
