//! The probes in the kernel: loaded, attached, switched on and off, drained.

mod breakpoints;
mod by_name;
mod clock;
mod cost;
mod direct_map;
mod error;
mod hooks;
mod ids;
mod load;
mod maps;
mod plan;
mod probes;
mod run_switch;
mod tasks;

pub use breakpoints::Refused;
pub use breakpoints::collections::{Collections, MOST as COLLECTION_PROBES, ReturnProbe};
pub use breakpoints::handler_calls::{HandlerCalls, MOST as WATCHED_PROCESSES};
pub use breakpoints::remover::wait_for_removals;
pub use breakpoints::trap_cost::TrapCost;
pub use cost::Cost;
pub use error::Error;
pub use maps::drain::{Aggregates, unfinished};
pub use maps::ledger::{Ledger, of_probe, total};
pub use maps::loops::Loops;
pub use maps::senders::Senders;
pub use maps::sent_stacks::SentStacks;
pub use plan::Plan;
pub use probes::Probes;
