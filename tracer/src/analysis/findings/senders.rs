//! The sender of a signal, in words; and which signals ask a process to end.

use super::at_called;
use crate::report::Signal;

/// `abort` sends it to its own process.
pub const SIGABRT: u32 = 6;
/// Signals that ask a process to end: it may handle them.
pub const POLITE: [u32; 5] = [1, 2, 3, SIGABRT, 15];

/// `from pid 1 (systemd, uid 0)`, and its line.
pub fn sent_by(signal: &Signal) -> String {
    match &signal.sender {
        Some(sender) => {
            let line = at_called(signal.sender_stack.as_ref());
            format!("from {} ({}, uid {}){line}", sender.process(), sender.comm, sender.uid)
        }
        None => "from the kernel".into(),
    }
}
