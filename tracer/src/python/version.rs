//! Which CPython an interpreter is.

use std::fmt;

use crate::cpython::memory::Memory;
use crate::python::runtime::Runtime;

/// Most bytes of variables that are searched for `sys.version`.
const SEARCH_LIMIT: u64 = 8 << 20;
/// Longest number of a version, and longest text with what follows it.
const NUMBER_LIMIT: usize = 24;
const TEXT_LIMIT: usize = 256;

/// A version of CPython.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Major and minor.
    pub release: (u8, u8),
    /// The third number; a file's name does not have it.
    pub micro: Option<u8>,
    /// Of a pre-release: its letters and number.
    pre_release: Option<(&'static str, u8)>,
}

impl Version {
    /// From a `PY_VERSION_HEX`: <https://docs.python.org/3.12/c-api/apiabiversion.html>.
    #[must_use]
    pub fn from_hex(hex: u32) -> Self {
        let [serial_and_level, micro, minor, major] = hex.to_le_bytes();
        let level = match serial_and_level >> 4 {
            0xa => Some("a"),
            0xb => Some("b"),
            0xc => Some("rc"),
            _final => None,
        };
        let pre_release = level.map(|level| (level, serial_and_level & 15));
        Self { release: (major, minor), micro: Some(micro), pre_release }
    }

    fn plain(release: (u8, u8), micro: Option<u8>) -> Self {
        Self { release, micro, pre_release: None }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.release;
        write!(f, "{major}.{minor}")?;
        self.micro.map_or(Ok(()), |micro| write!(f, ".{micro}"))?;
        self.pre_release.map_or(Ok(()), |(level, serial)| write!(f, "{level}{serial}"))
    }
}

/// Finds the version of an interpreter that does not say it in its debug offsets.
///
/// `Py_Version` is there from 3.11 on; before, the text of `sys.version` is kept in a variable; the file's name comes
/// last, since a program that embeds an interpreter may call it anything.
#[must_use]
pub fn find(memory: &dyn Memory, runtime: &Runtime) -> Option<Version> {
    let constant = runtime.symbol("Py_Version").and_then(|address| memory.u32(address).ok());
    constant
        .map(Version::from_hex)
        .or_else(|| in_variables(memory, runtime))
        .or_else(|| in_file_name(runtime.name.rsplit(|&byte| byte == b'/').next()?))
}

fn in_variables(memory: &dyn Memory, runtime: &Runtime) -> Option<Version> {
    let mut left = SEARCH_LIMIT; // of all segments together: the target says how many there are
    runtime.elf.writable().find_map(|range| {
        let length = range.end.saturating_sub(range.start).min(left);
        left -= length;
        in_text(&memory.bytes(runtime.in_memory(range.start), length as usize).ok()?)
    })
}

/// The first text that looks like `sys.version`: `3.8.18 (default, May 9 2026, 07:32:18) \n[GCC 12.2.0]`, and from 3.10
/// on without the new line.
fn in_text(bytes: &[u8]) -> Option<Version> {
    let digit_and_dot = |window: &&[u8]| matches!(window, [b'2' | b'3', b'.']);
    let starts = bytes.windows(2).enumerate().filter(|(_, window)| digit_and_dot(window));
    starts.map(|(start, _)| &bytes[start..]).find_map(version_and_compiler)
}

fn version_and_compiler(text: &[u8]) -> Option<Version> {
    // Cut first: who looks for the end of each of a million such texts never comes to one.
    let start = &text[..text.len().min(NUMBER_LIMIT)];
    start.windows(2).position(|window| window == b" (")?;
    let text = text[..text.len().min(TEXT_LIMIT)].split(|&byte| byte == 0).next()?;
    let text = std::str::from_utf8(text).ok()?;
    let (number, build) = text.split_once(" (")?;
    if !build.contains(") [") && !build.contains(") \n[") {
        return None;
    }
    let mut numbers = number.splitn(3, '.');
    let release = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    let micro = numbers.next()?;
    let digits = micro.find(|character: char| !character.is_ascii_digit()).unwrap_or(micro.len());
    Some(Version::plain(release, Some(micro[..digits].parse().ok()?)))
}

/// `libpython3.7m.so.1.0`, `python3.11`.
fn in_file_name(name: &[u8]) -> Option<Version> {
    let (_, after) = std::str::from_utf8(name).ok()?.split_once("python")?;
    let (major, rest) = after.split_once('.')?;
    let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    Some(Version::plain((major.parse().ok()?, rest[..digits].parse().ok()?), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_full_of_beginnings_takes_no_time() {
        let began = std::time::Instant::now();
        assert_eq!(in_text(&b"2.".repeat(SEARCH_LIMIT as usize / 2)), None);
        // A quarter of a second without optimisation, some seconds beside other builds; looking for their ends takes a minute.
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    }

    #[test]
    fn every_source_is_understood() {
        let text = |bytes: &[u8]| in_text(bytes).map(|version| version.to_string());
        let file = |name: &str| in_file_name(name.as_bytes()).map(|version| version.to_string());
        let hex = |hex| Some(Version::from_hex(hex).to_string());
        for (found, expected) in [
            (hex(0x030b_02f0), Some("3.11.2")),
            (hex(0x030e_00c1), Some("3.14.0rc1")),
            (hex(0x030f_00a7), Some("3.15.0a7")),
            (text(b"\x003.40.1\x003.8.18 (default, May  9 2026, 07:32:18) \n[GCC 12.2.0]\0"), Some("3.8.18")),
            (text(b"3.10.13 (main, May  9 2026, 07:33:18) [GCC 12.2.0]\0"), Some("3.10.13")),
            (text(b"2.7.18+ (default, May 9 2026) \n[GCC 12]\0"), Some("2.7.18")),
            (text(b"3.40.1 (2022-12-28)\0"), None),
            (text(b"3."), None),
            (file("libpython3.7m.so.1.0"), Some("3.7")),
            (file("python2.7"), Some("2.7")),
            (file("python3.11"), Some("3.11")),
            (file("python3"), None),
            (file("uwsgi"), None),
        ] {
            assert_eq!(found.as_deref(), expected);
        }
    }
}
