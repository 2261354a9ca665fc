//! What a code object calls, as far as its names show: whether a read at one of its lines is its own.

use serde::{Deserialize, Serialize};

/// What is among the names of a code object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// It opens files itself: `open`, `os.open`, `fdopen`.
    pub opens: bool,
    /// Another function opens files for it: `open_binary`.
    pub has_opener: bool,
    /// It reads: `read`, `readline`, `os.pread`, `read_text`.
    pub reads: bool,
    /// It names the module `os`.
    pub by_os: bool,
}

impl Calls {
    /// From `co_names`.
    pub fn new<N: AsRef<[u8]>>(names: impl IntoIterator<Item = N>) -> Self {
        let mut calls = Self::default();
        for name in names {
            let name = name.as_ref();
            calls.by_os |= name == b"os";
            calls.opens |= is_open(name);
            for word in name.split(|&byte| byte == b'_').filter(|word| word.len() < name.len()) {
                calls.has_opener |= is_open(word);
            }
            calls.reads |= name.split(|&byte| byte == b'_').any(is_read);
        }
        calls
    }

    /// What is known of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let Self { opens, has_opener, reads, by_os } = other;
        Self {
            opens: self.opens && opens,
            has_opener: self.has_opener && has_opener,
            reads: self.reads && reads,
            by_os: self.by_os && by_os,
        }
    }
}

fn is_open(word: &[u8]) -> bool {
    matches!(word, b"open" | b"fdopen")
}

fn is_read(word: &[u8]) -> bool {
    const READS: [&[u8]; 10] = [
        b"read",
        b"read1",
        b"readall",
        b"readline",
        b"readlines",
        b"readinto",
        b"readinto1",
        b"readv",
        b"pread",
        b"preadv",
    ];
    READS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_show_what_code_opens_and_reads() {
        for (names, opens, has_opener, reads, by_os) in [
            (&["os", "read"][..], false, false, true, true),
            (&["list", "open"], true, false, false, false),
            (&["open_binary", "split"], false, true, false, false),
            (&["load_verify_locations", "ready", "Thread", "spread", "reader"], false, false, false, false),
            (&["pickle", "load"], false, false, false, false),
            (&[], false, false, false, false),
        ] {
            assert_eq!(Calls::new(names), Calls { opens, has_opener, reads, by_os }, "{names:?}");
        }
    }
}
