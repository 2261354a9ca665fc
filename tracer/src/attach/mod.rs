//! The probes in the kernel: loaded, attached, switched on and off, drained.

mod breakpoints;
mod checks;
mod collections;
mod cost;
mod direct_map;
mod drain;
mod error;
mod handler_calls;
mod ids;
mod ledger;
mod load;
mod loops;
mod multi;
mod object;
mod plan;
mod probes;
mod remover;
mod senders;
#[cfg(test)]
mod stack_tests;
mod tasks;
mod told;
mod trap_cost;
mod types;

pub use breakpoints::Refused;
pub use collections::{Collections, End, MOST as COLLECTION_PROBES};
pub use cost::Cost;
pub use drain::{Aggregates, unfinished};
pub use error::Error;
pub use handler_calls::{HandlerCalls, MOST as WATCHED_PROCESSES};
pub use ledger::{Ledger, of_probe, total};
pub use loops::Loops;
pub use plan::Plan;
pub use probes::Probes;
pub use remover::wait_for_removals;
pub use senders::Senders;
pub use told::Told;
pub use trap_cost::TrapCost;
