//! From decoded messages to the stream of events that the analysis folds: ids get their names here, and what only
//! `/proc` knows is looked up while it can be.

pub mod children;
mod interpreter_probes;
mod lives;
mod names;
mod recent;
mod spaces;

pub use children::Children;
pub use interpreter_probes::{FoundProgram, InterpreterProbes};
pub use lives::{LifeId, Lives};
pub use names::Names;
pub use spaces::{Home, Spaces};
