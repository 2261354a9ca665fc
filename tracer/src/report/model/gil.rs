//! Waits for the GIL.

use serde::{Deserialize, Serialize};

use super::frame::Frame;
use crate::report::{Bounded, Row};

/// What waiting for the GIL cost. One acquisition can sleep several times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gil {
    /// Time waited, all threads together.
    pub wait_ns: u64,
    /// Acquisitions that slept.
    pub waits: u64,
    /// Switches they took.
    pub switches: u64,
    /// Time that the GIL was held.
    pub held_ns: Option<u64>,
    /// Who held it while others waited, longest first.
    pub holders: Bounded<GilHolder>,
}

/// A thread that held the GIL while others waited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GilHolder {
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// The line it was at.
    pub frame: Option<Frame>,
    /// For how long.
    pub held_while_others_waited_ns: u64,
}

/// What `GilHolder` rows add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GilHolderTotals {
    /// For how long.
    pub held_while_others_waited_ns: u64,
}

impl Row for GilHolder {
    type Totals = GilHolderTotals;

    fn add_to(&self, totals: &mut GilHolderTotals) {
        totals.held_while_others_waited_ns += self.held_while_others_waited_ns;
    }
}
