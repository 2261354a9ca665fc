//! The maps that the probes and user space share: what user space writes, and what it drains.

pub mod drain;
pub mod ledger;
pub mod loops;
pub mod senders;
pub mod sent_stacks;
pub mod targets;
