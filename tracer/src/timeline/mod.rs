//! From decoded messages to the stream of events that the analysis folds: ids get their names here, and what only
//! `/proc` knows is looked up while it can be.

pub mod children;
mod look;
mod names;
mod recent;
mod spaces;

pub use children::Children;
pub use look::{Found, Looks};
pub use names::Names;
pub use spaces::Spaces;
