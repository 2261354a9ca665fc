//! Reads a recording, of which nothing is believed: blocks that are whole are handed out, the others skipped.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::block::{HEADER, Header, MARKER};
use super::{MAGIC, VERSION};
use crate::report::Name;
use crate::report::output::plain;

/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;

/// Why a file cannot be read as a recording.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read at all.
    #[error("cannot read {path}: {}; try another file", plain(.cause))]
    Io {
        /// As it was asked for.
        path: Name,
        /// What the kernel said.
        cause: io::Error,
    },
    /// It is something else.
    #[error("cannot read {path}: it is no recording; try one that tracer record has written")]
    Other {
        /// As it was asked for.
        path: Name,
    },
    /// It has records that are not known here.
    #[error(
        "cannot read {path}: it is a recording of version {version}, and this tracer knows {VERSION}; \
         try the tracer that wrote it"
    )]
    Version {
        /// As it was asked for.
        path: Name,
        /// What it says of itself.
        version: u32,
    },
    /// No run can have been like that.
    #[error("cannot read {path}: its content contradicts itself; try another recording")]
    Contradiction {
        /// As it was asked for.
        path: Name,
    },
    /// What is wanted of it would come later.
    #[error("cannot read {path}: it ends after {lasted}, before the range; try an earlier --range")]
    Shorter {
        /// As it was asked for.
        path: Name,
        /// How long it is.
        lasted: String,
    },
    /// Nothing in it is whole.
    #[error("cannot read {path}: no block of it is whole; try another recording")]
    Nothing {
        /// As it was asked for.
        path: Name,
    },
}

/// What of a recording was not whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Bytes that were skipped.
    pub bytes: u64,
    /// Blocks that have a header, and are not what it says.
    pub blocks: u64,
    /// Records that are none, in blocks that are whole.
    pub records: u64,
}

impl Damage {
    /// Nothing is missing.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A recording that is being read.
pub struct Reader<R> {
    input: Input<R>,
    path: Name,
    /// What was skipped so far.
    pub damage: Damage,
}

impl Reader<File> {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be opened, or is no recording that is known here.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let name = Name::new(path.as_os_str().as_bytes());
        match File::open(path) {
            Ok(file) => Self::new(file, name),
            Err(cause) => Err(ReadError::Io { path: name, cause }),
        }
    }
}

impl<R: Read> Reader<R> {
    /// Reads the first bytes; `path` is what errors call it.
    ///
    /// # Errors
    /// When it cannot be read, or is no recording that is known here.
    pub fn new(input: R, path: Name) -> Result<Self, ReadError> {
        const LENGTH: usize = MAGIC.len() + 4;
        let mut input = Input { inner: input, buffer: Vec::new(), at: 0 };
        let begin: Option<[u8; LENGTH]> = match input.peek(LENGTH) {
            Ok(bytes) => bytes.try_into().ok(),
            Err(cause) => return Err(ReadError::Io { path, cause }),
        };
        let Some(version) = begin.as_ref().and_then(|begin| begin.strip_prefix(&MAGIC)) else {
            return Err(ReadError::Other { path });
        };
        let version = u32::from_le_bytes(version.try_into().expect("four bytes are left"));
        if version != VERSION {
            return Err(ReadError::Version { path, version });
        }
        input.skip(LENGTH);
        Ok(Self { input, path, damage: Damage::default() })
    }

    /// What the file is called.
    pub fn path(&self) -> &Name {
        &self.path
    }

    /// The next whole block, unpacked.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn block(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        self.whole_block().map_err(|cause| ReadError::Io { path: self.path.clone(), cause })
    }

    fn whole_block(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let bytes = self.input.peek(HEADER)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let Some(header) = bytes.try_into().ok().and_then(Header::read) else {
                self.find_marker()?;
                continue;
            };
            self.input.skip(HEADER);
            let packed = self.input.peek(header.packed)?;
            let length = packed.len();
            let raw = if length == header.packed { header.unpack(packed) } else { None };
            self.input.skip(length);
            if raw.is_some() {
                return Ok(raw);
            }
            self.damage.blocks += 1;
            self.damage.bytes += (HEADER + length) as u64;
        }
    }

    /// Skips at least one byte, and then all until something looks like the begin of a block.
    fn find_marker(&mut self) -> io::Result<()> {
        self.skip_damaged(1);
        loop {
            let bytes = self.input.peek(CHUNK)?;
            let found = bytes.windows(MARKER.len()).position(|bytes| bytes == MARKER);
            let (length, is_last) = (bytes.len(), bytes.len() < CHUNK);
            match found {
                Some(at) => {
                    self.skip_damaged(at);
                    return Ok(());
                }
                None if is_last => {
                    self.skip_damaged(length);
                    return Ok(());
                }
                None => self.skip_damaged(length - (MARKER.len() - 1)),
            }
        }
    }

    fn skip_damaged(&mut self, bytes: usize) {
        self.input.skip(bytes);
        self.damage.bytes += bytes as u64;
    }
}

/// What is read and not yet used.
struct Input<R> {
    inner: R,
    buffer: Vec<u8>,
    at: usize,
}

impl<R: Read> Input<R> {
    /// The next bytes, fewer at the end.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.buffer.len() - self.at < count {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        // By chunks, so that room is made for what is there, and not for what a header says.
        while self.buffer.len() - self.at < count {
            let chunk = (&mut self.inner).take(CHUNK as u64).read_to_end(&mut self.buffer)?;
            if chunk == 0 {
                break;
            }
        }
        let end = self.buffer.len().min(self.at + count);
        Ok(&self.buffer[self.at..end])
    }

    /// Those that have been seen are done.
    fn skip(&mut self, count: usize) {
        self.at += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::block::pack;

    const PLACE: usize = MAGIC.len() + 4;

    fn recording(blocks: &[&[u8]]) -> Vec<u8> {
        let begin = [&MAGIC[..], &VERSION.to_le_bytes()].concat();
        blocks.iter().fold(begin, |file, block| [file, pack(block)].concat())
    }

    fn read(file: &[u8]) -> Result<(Vec<Vec<u8>>, Damage), ReadError> {
        let mut reader = Reader::new(file, Name::new(b"a.trc"))?;
        let mut blocks = Vec::new();
        while let Some(block) = reader.block()? {
            blocks.push(block);
        }
        Ok((blocks, reader.damage))
    }

    #[test]
    fn what_is_whole_is_read_wherever_it_is_cut() {
        let blocks: [&[u8]; 3] = [b"one", &[7; 300_000], b"three"];
        let file = recording(&blocks);
        let ends: Vec<_> = blocks
            .iter()
            .scan(PLACE, |end, block| {
                *end += pack(block).len();
                Some(*end)
            })
            .collect();
        for cut in PLACE..=file.len() {
            let (found, damage) = read(&file[..cut]).unwrap();
            let whole = ends.iter().filter(|end| **end <= cut).count();
            assert!(found.iter().eq(&blocks[..whole]), "{cut}");
            let last = ends[..whole].last().copied().unwrap_or(PLACE);
            assert_eq!(damage.bytes, (cut - last) as u64, "{cut}");
        }
    }

    #[test]
    fn a_damaged_block_leaves_the_others() {
        let file = recording(&[b"one", b"two", b"three"]);
        let second = PLACE + pack(b"one").len();
        for at in second..second + pack(b"two").len() {
            let mut damaged = file.clone();
            damaged[at] ^= 0x10;
            let (found, damage) = read(&damaged).unwrap();
            assert_eq!(found, [b"one".to_vec(), b"three".to_vec()], "byte {at}");
            assert_eq!(damage.bytes, pack(b"two").len() as u64, "byte {at}");
        }
    }

    #[test]
    fn what_is_no_recording_is_reported() {
        let newer = [&MAGIC[..], &9_u32.to_le_bytes()].concat();
        for (file, expected) in [
            (&b""[..], "it is no recording"),
            (b"{\"schema\":\"tracer.report/1\"}", "it is no recording"),
            (&MAGIC, "it is no recording"),
            (&newer, "it is a recording of version 9"),
        ] {
            let error = read(file).unwrap_err().to_string();
            assert!(error.starts_with(&format!("cannot read a.trc: {expected}")), "{error}");
        }
    }

    /// A header that promises much costs what is there.
    #[test]
    fn promises_cost_nothing() {
        let mut file = recording(&[&[1; 1000]]);
        file[PLACE + 4..PLACE + 8].copy_from_slice(&(8_u32 << 20).to_le_bytes());
        let checksum = crc32fast::hash(&file[PLACE..PLACE + 16]);
        file[PLACE + 16..PLACE + 20].copy_from_slice(&checksum.to_le_bytes());
        let mut reader = Reader::new(&*file, Name::new(b"a.trc")).unwrap();
        assert_eq!(reader.block().unwrap(), None);
        assert!(reader.input.buffer.capacity() <= 4 * CHUNK, "{}", reader.input.buffer.capacity());
    }
}
