//! What the analyses must know of the window.

use crate::event::Nanos;

/// The window that the events are from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Its length.
    pub duration_ns: Nanos,
    /// On-CPU samples a second on each CPU.
    pub rate_hz: u64,
    /// As many as there were.
    pub reached_hz: u64,
    /// How long entries of the evaluation function were counted.
    pub entries_covered_ns: Nanos,
}
