//! The probes in the kernel: loaded, attached, switched on and off, drained.

mod cost;
mod drain;
mod error;
mod ledger;
mod object;
mod plan;
mod probes;
mod watchpoints;

pub use cost::{Cost, RunTime};
pub use drain::{Aggregates, unfinished};
pub use error::Error;
pub use ledger::Ledger;
pub use plan::Plan;
pub use probes::Probes;
pub use watchpoints::{MOST as WATCHED_PROCESSES, Refused, Watchpoints};
