//! What a thread sleeps in, from `/proc/PID/task/TID/syscall`.

use std::fs::File;
use std::io;

use crate::process::record;

/// What a thread does in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SleepsIn {
    /// It runs, or would if a CPU were free.
    Nothing,
    /// Blocked outside of any system call, by a page fault for one.
    NoSyscall,
    /// Blocked in a system call.
    Syscall {
        /// Its number.
        number: u32,
        /// Its first argument: for most calls the descriptor, for a futex its address.
        first_argument: u64,
        /// Its second: what is done with a futex.
        second_argument: u64,
        /// Where its stack ends.
        stack_pointer: u64,
    },
}

/// A thread that can be asked again and again.
#[derive(Debug)]
pub struct Sleep(File);

impl Sleep {
    /// By its open file.
    pub(super) fn new(syscall: File) -> Self {
        Self(syscall)
    }

    /// What it sleeps in. The kernel answers when the thread has left its CPU, or says that it has not.
    ///
    /// # Errors
    /// When the thread is gone, or we may not know.
    pub fn now(&self) -> io::Result<SleepsIn> {
        Ok(SleepsIn::parse(&record::read(&self.0)?))
    }
}

impl SleepsIn {
    /// `running`, or a number and hexadecimal words: proc_pid_syscall(5).
    pub(crate) fn parse(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line);
        let mut words = text.split_ascii_whitespace();
        let Some(number) = words.next().and_then(|word| word.parse::<i64>().ok()) else {
            return Self::Nothing;
        };
        let mut argument =
            || words.next().and_then(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok());
        let (first, second) = (argument(), argument());
        let stack_pointer = std::iter::from_fn(argument).nth(4);
        match (u32::try_from(number), first, second, stack_pointer) {
            (Ok(number), Some(first_argument), Some(second_argument), Some(stack_pointer)) => {
                Self::Syscall { number, first_argument, second_argument, stack_pointer }
            }
            _ => Self::NoSyscall,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_a_syscall_line_is_distinguished() {
        let read = SleepsIn::Syscall {
            number: 0,
            first_argument: 3,
            second_argument: 0x7f00,
            stack_pointer: 0x7ffd,
        };
        for (line, expected) in [
            (&b"running\n"[..], SleepsIn::Nothing),
            (b"", SleepsIn::Nothing),
            (b"-1 0x7ffd 0x7f00\n", SleepsIn::NoSyscall),
            (b"0 0x3 0x7f00 0x10 0x0 0x0 0x0 0x7ffd 0x7f00\n", read),
        ] {
            assert_eq!(SleepsIn::parse(line), expected, "{}", String::from_utf8_lossy(line));
        }
    }
}
