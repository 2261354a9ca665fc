//! What reads add up to.

use serde::{Deserialize, Serialize};

use super::StackId;

/// Sums of one row of reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reads {
    /// Calls.
    pub calls: u64,
    /// Bytes returned.
    pub bytes: u64,
    /// Calls that asked for something and got 0.
    pub eof: u64,
    /// Calls that a larger one just before them would have made needless.
    pub continued: u64,
    /// Calls that left a pipe full.
    pub full: u64,
    /// Opens of the file that these calls began with.
    pub opens: u64,
    /// Calls of which it is not known whether they began with an open.
    pub opens_unknown: u64,
    /// Calls that read what their own function has opened, by another call.
    pub own: u64,
    /// The whole stack of one of the calls.
    pub stack: StackId,
    /// Where its bytes went: one of [`tracer_common::syscall::into`].
    pub into: u32,
    /// Calls by size asked.
    pub requested: Vec<(u64, u64)>,
    /// Calls by size returned.
    pub returned: Vec<(u64, u64)>,
    /// Calls by error number.
    pub errors: Vec<(u32, u64)>,
}
