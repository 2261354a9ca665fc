//! The kernel's name for a thread.

use crate::event::Bytes;

/// `TASK_COMM_LEN`, the zero at the end included.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/sched.h>
const COMM_BYTES: usize = 16;

/// A name, with zeros behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Comm([u8; COMM_BYTES]);

impl Comm {
    /// As `/proc/PID/status` shows it: with `\n` for a new line and `\\` for a backslash.
    /// <https://github.com/torvalds/linux/blob/v6.12/fs/proc/array.c#L98>
    pub(super) fn unescape(shown: &[u8]) -> Self {
        let mut name = [0; COMM_BYTES];
        let mut shown = shown.iter();
        for byte in &mut name {
            *byte = match shown.next() {
                Some(b'\\') if shown.next() == Some(&b'n') => b'\n',
                Some(byte) => *byte,
                None => break,
            };
        }
        Self(name)
    }
}

impl From<Comm> for Bytes {
    fn from(Comm(name): Comm) -> Self {
        let length = name.iter().position(|&byte| byte == 0).unwrap_or(COMM_BYTES);
        Self::copy_from_slice(&name[..length])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_what_was_set() {
        for (shown, expected) in [
            (&b""[..], &b""[..]),
            (b"python3.12", b"python3.12"),
            (br"a\nb\\n\\", b"a\nb\\n\\"),
            (b"\xff: ", b"\xff: "),
            (b"a name of 15 by", b"a name of 15 by"),
            (b"longer than the kernel allows", b"longer than the "),
        ] {
            assert_eq!(Bytes::from(Comm::unescape(shown)), expected, "{}", String::from_utf8_lossy(shown));
        }
    }
}
