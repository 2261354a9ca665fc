//! What a code object calls, as far as its names tell: whether a read at one of its lines is its own.

/// What is among the names of a code object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// It opens files: `open`, `os.open`, `fdopen`, `open_binary`.
    pub opens: bool,
    /// It reads: `read`, `readline`, `os.pread`, `read_text`.
    pub reads: bool,
    /// It names the module `os`.
    pub by_os: bool,
}

impl Calls {
    /// From `co_names`.
    pub fn of<N: AsRef<[u8]>>(names: impl IntoIterator<Item = N>) -> Self {
        let mut calls = Self::default();
        for name in names {
            let name = name.as_ref();
            calls.by_os |= name == b"os";
            for word in name.split(|&byte| byte == b'_') {
                calls.opens |= matches!(word, b"open" | b"fdopen");
                calls.reads |= is_read(word);
            }
        }
        calls
    }

    /// Neither opens nor reads, so that what it calls does: `load_verify_locations`.
    #[must_use]
    pub fn neither(self) -> bool {
        !self.opens && !self.reads
    }

    /// What is known of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let Self { opens, reads, by_os } = other;
        Self { opens: self.opens && opens, reads: self.reads && reads, by_os: self.by_os && by_os }
    }
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
    fn names_tell_what_code_opens_and_reads() {
        for (names, opens, reads, by_os) in [
            (&["os", "read"][..], false, true, true),
            (&["list", "open"], true, false, false),
            (&["open_binary", "split"], true, false, false),
            (&["load_verify_locations", "ready", "Thread", "spread", "reader"], false, false, false),
            (&["pickle", "load"], false, false, false),
            (&[], false, false, false),
        ] {
            assert_eq!(Calls::of(names), Calls { opens, reads, by_os }, "{names:?}");
        }
    }
}
