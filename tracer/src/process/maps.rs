//! `/proc/PID/maps`: what is mapped where.

use std::ops::Range;

/// One mapping: proc_pid_maps(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Addresses.
    pub range: Range<u64>,
    /// Instructions may be fetched from it.
    pub executable: bool,
    /// Where it begins in its file.
    pub offset: u64,
    /// Major and minor number of the device.
    pub device: (u32, u32),
    /// Inode number, 0 where no file is mapped.
    pub inode: u64,
    /// The file's name; newlines in it are written `\012`, and ` (deleted)` may follow.
    pub path: Vec<u8>,
}

impl Mapping {
    /// Equal for mappings of the same file.
    #[must_use]
    pub fn file(&self) -> ((u32, u32), u64) {
        (self.device, self.inode)
    }

    /// The last component of its file's name.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        self.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    }
}

/// All mappings; lines that are none are passed over.
#[must_use]
pub fn parse(text: &[u8]) -> Vec<Mapping> {
    text.split(|&byte| byte == b'\n').filter_map(mapping).collect()
}

/// `start-end rwxp offset major:minor inode path`, the path after any number of spaces.
fn mapping(line: &[u8]) -> Option<Mapping> {
    let mut rest = line;
    let mut word = || {
        let end = rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        rest = tail.strip_prefix(b" ").unwrap_or_default();
        std::str::from_utf8(word).ok()
    };
    let (start, end) = word()?.split_once('-')?;
    let permissions = word()?;
    let offset = hex(word()?)?;
    let (major, minor) = word()?.split_once(':')?;
    let inode = word()?.parse().ok()?;
    Some(Mapping {
        range: hex(start)?..hex(end)?,
        executable: permissions.as_bytes().get(2) == Some(&b'x'),
        offset,
        device: (hex(major)? as u32, hex(minor)? as u32),
        inode,
        path: rest.trim_ascii_start().to_vec(),
    })
}

fn hex(word: &str) -> Option<u64> {
    u64::from_str_radix(word, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &[u8] =
        b"00400000-00aa0000 r-xp 00001000 fe:01 4711                  /usr/bin/my \xff (deleted)\n\
        7f00-7f10 rw-p 00000000 00:00 0 \n\
        7ffd1000-7ffd2000 rw-p 00000000 00:00 0                          [stack]\n\
        nonsense\n12-zz r--p 0 0:0 0 x\n";

    #[test]
    fn reads_every_good_line_and_no_other() {
        let maps = parse(MAPS);
        assert_eq!(maps.len(), 3);
        let expected = Mapping {
            range: 0x40_0000..0xaa_0000,
            executable: true,
            offset: 0x1000,
            device: (0xfe, 1),
            inode: 4711,
            path: b"/usr/bin/my \xff (deleted)".to_vec(),
        };
        assert_eq!(maps[0], expected);
        assert_eq!(maps[0].file_name(), b"my \xff (deleted)");
        assert_eq!((&*maps[1].path, maps[1].executable), (&b""[..], false));
        assert_eq!(maps[2].path, b"[stack]");
    }
}
