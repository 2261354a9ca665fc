//! A place in Python code.

use serde::{Deserialize, Serialize};

use crate::report::Name;

/// One line that was executing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Frame {
    /// `co_qualname` where the version has it, else `co_name`.
    pub function: Name,
    /// `co_filename`.
    pub file: Name,
    /// The line executing, counted from 1; unknown where the line table was not to be read.
    pub line: Option<u32>,
}

/// Frames, innermost first, at most `--depth`.
pub type Stack = Vec<Frame>;
