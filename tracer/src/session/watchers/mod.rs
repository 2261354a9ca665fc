//! Watchers: what they see costs the target something, or is found only by looking; each decides in which processes it is
//! worth that.

mod breakpoint_cost;
mod collections;
mod counted;
mod handlers;
mod senders;
mod tasks;

pub use breakpoint_cost::BreakpointCost;
pub use collections::CollectionWatcher;
pub use handlers::HandlerWatcher;
pub use senders::SenderWatcher;
pub use tasks::TaskWatcher;
