//! What the kernel says of a thread: `/proc/PID/task/TID/status`.

use crate::event::{Pid, Tid};
use crate::process::comm::Comm;

/// What `/proc/PID/task/TID/status` says of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadStatus {
    /// The process it belongs to.
    pub pid: Pid,
    /// Its name.
    pub name: Comm,
    /// Its id in its own, innermost pid namespace.
    pub namespace_tid: Tid,
    /// `R` running or runnable, `S` sleeping, `D` in uninterruptible sleep, `T` stopped, `Z` ended: proc_pid_stat(5).
    pub state: char,
    /// `nvcsw`: times that it gave its CPU away.
    pub voluntary: u64,
    /// `nivcsw`: times that its CPU was taken away.
    pub involuntary: u64,
}

impl ThreadStatus {
    pub(crate) fn parse(status: &[u8]) -> Self {
        let mut thread = Self::default();
        for line in status.split(|&byte| byte == b'\n') {
            let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            let value = value.strip_prefix(b"\t").unwrap_or(value);
            match name {
                b"Name" => thread.name = Comm::unescape(value),
                b"Tgid" => thread.pid = last_number(value),
                b"State" => thread.state = value.first().copied().map_or_else(char::default, char::from),
                b"NSpid" => thread.namespace_tid = last_number(value),
                b"voluntary_ctxt_switches" => thread.voluntary = last_number(value),
                b"nonvoluntary_ctxt_switches" => thread.involuntary = last_number(value),
                _ => {}
            }
        }
        thread
    }
}

fn last_number<T: std::str::FromStr + Default>(value: &[u8]) -> T {
    let value = std::str::from_utf8(value).unwrap_or_default();
    value.split_ascii_whitespace().next_back().and_then(|word| word.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read_line_by_line_whatever_the_name() {
        let status =
            b"Name:\t Tgid: 1\\n\xff\nState:\tS (sleeping)\nTgid:\t70\nNSpid:\t70\t3\nTgid\nSeccomp:\t0\n\
            voluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t5\n";
        let expected = ThreadStatus {
            pid: 70,
            name: Comm::unescape(b" Tgid: 1\\n\xff"),
            namespace_tid: 3,
            state: 'S',
            voluntary: 12,
            involuntary: 5,
        };
        assert_eq!(ThreadStatus::parse(status), expected);
    }
}
