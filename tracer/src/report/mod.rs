//! The last stage: what was found out, as text or JSON, on stdout or in a file.
//!
//! Nothing is computed here. All figures of a [`Report`] arrive ready; lists are bounded, names are made safe, and
//! what is left is layout.

mod bounded;
pub mod export;
mod format;
pub mod html;
pub mod json;
mod model;
mod name;
pub mod output;
mod pool;
mod sanitize;
pub mod saved;
pub mod text;

pub use bounded::{Bounded, NoTotals, Omitted, Row, bounded};
pub use format::{Format, View};
pub use model::*;
pub use name::{Name, Sentence};
pub use pool::{Pool, Programs, Shared, alike, joined, pooled};

#[cfg(test)]
mod tests;
