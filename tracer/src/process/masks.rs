//! Signal masks and pending sets, as the kernel shows them.
//! <https://github.com/torvalds/linux/blob/v6.12/fs/proc/array.c> (`task_sig`)

/// Sets of signals of a thread: bit N - 1 is set for signal N.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masks {
    /// They wait for this thread.
    pub pending: u64,
    /// They wait for any thread of the process.
    pub shared_pending: u64,
    /// The thread does not take them now.
    pub blocked: u64,
    /// Dropped, for the whole process.
    pub ignored: u64,
    /// A function is called for them, for the whole process.
    pub caught: u64,
}

impl Masks {
    /// Of a `/proc/PID/task/TID/status`.
    #[must_use]
    pub fn parse(status: &[u8]) -> Self {
        let mut masks = Self::default();
        for line in status.split(|&byte| byte == b'\n') {
            let Some((name, value)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(':'))
            else {
                continue;
            };
            let set = match name {
                "SigPnd" => &mut masks.pending,
                "ShdPnd" => &mut masks.shared_pending,
                "SigBlk" => &mut masks.blocked,
                "SigIgn" => &mut masks.ignored,
                "SigCgt" => &mut masks.caught,
                _ => continue,
            };
            *set = u64::from_str_radix(value.trim(), 16).unwrap_or_default();
        }
        masks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_whatever_the_name_is() {
        let status = b"Name:\tSigBlk: ff\\n\xff\nSigQ:\t0/31347\nSigPnd:\t0000000000000000\n\
            ShdPnd:\t0000000000004000\nSigBlk:\t0000000000000200\nSigIgn:\t0000000001001000\n\
            SigCgt:\t0000000000000002\nCapInh:\t0000000000000000\n";
        let expected = Masks {
            pending: 0,
            shared_pending: 1 << 14,
            blocked: 1 << 9,
            ignored: 1 << 12 | 1 << 24,
            caught: 1 << 1,
        };
        assert_eq!(Masks::parse(status), expected);
    }
}
