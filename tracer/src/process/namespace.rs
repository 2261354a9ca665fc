//! Our own pid namespace, and whether `/proc` shows it.

use std::os::unix::fs::MetadataExt;
use std::sync::LazyLock;

/// `PROC_PID_INIT_INO`: <https://github.com/torvalds/linux/blob/v6.12/include/linux/proc_ns.h#L45>
const INITIAL: u64 = 0xefff_fffc;

/// Whether it is the one that the kernel begins with: the probes number tasks as it does.
#[must_use]
pub fn is_initial() -> bool {
    // A process never leaves its own.
    static IS_INITIAL: LazyLock<bool> = LazyLock::new(|| {
        std::fs::metadata("/proc/self/ns/pid").is_ok_and(|namespace| namespace.ino() == INITIAL)
    });
    *IS_INITIAL
}

/// Whether `/proc` numbers processes as we do: it was mounted in our own pid namespace.
#[must_use]
pub fn is_that_of_proc() -> bool {
    static IS_THAT_OF_PROC: LazyLock<bool> = LazyLock::new(|| {
        let status = std::fs::read_to_string("/proc/self/status");
        status.ok().and_then(|status| has_one_number(&status)).unwrap_or(false)
    });
    *IS_THAT_OF_PROC
}

/// There is one for each namespace from that of `/proc` to a process's own.
fn has_one_number(status: &str) -> Option<bool> {
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    Some(numbers.split_ascii_whitespace().count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_shows_us() {
        assert!(is_that_of_proc());
        for (status, expected) in
            [("Pid:\t7\nNSpid:\t70\t7\n", Some(false)), ("NSpid:\t7\n", Some(true)), ("", None)]
        {
            assert_eq!(has_one_number(status), expected);
        }
    }
}
