//! Lines of Python code, as the page shows them.

use crate::report::text::place::fit_path;
use crate::report::{Frame, Stack};

/// Columns that a path may take in a table; the pointer over it shows the whole.
const WIDTH: usize = 44;

/// Callers that are shown; a recursion has thousands.
const CALLERS: usize = 48;

/// A line.
pub struct Place {
    /// `…/demo/busy_shop.py:31`
    pub line: String,
    /// The same with the whole path, where it was cut.
    pub whole: Option<String>,
    /// The function.
    pub function: String,
}

impl Place {
    /// A frame's.
    pub fn new(frame: &Frame) -> Self {
        let number = frame.line.map_or_else(String::new, |line| format!(":{line}"));
        let whole = format!("{}{number}", frame.file);
        let line = fit_path(&whole, WIDTH);
        Self { whole: (line != whole).then_some(whole), line, function: frame.function.to_string() }
    }
}

/// The line at which something happened, its callers, and what else there is to say.
pub struct At {
    /// The innermost frame; `None` where the stack is not known.
    pub place: Option<Place>,
    /// Its callers, innermost first.
    pub callers: Vec<Place>,
    /// Callers that are not shown.
    pub more: usize,
    /// Sentences about the row.
    pub notes: Vec<String>,
}

impl At {
    /// A stack, and what else there is to say.
    pub fn new(stack: Option<&Stack>, notes: Vec<String>) -> Self {
        let frames = stack.map_or(&[][..], Vec::as_slice);
        let callers = frames.get(1..).unwrap_or_default();
        Self {
            place: frames.first().map(Place::new),
            callers: callers.iter().take(CALLERS).map(Place::new).collect(),
            more: callers.len().saturating_sub(CALLERS),
            notes,
        }
    }

    /// `5 callers`
    pub fn summary(&self) -> String {
        let callers = (self.callers.len() + self.more) as u64;
        match (callers, self.notes.is_empty()) {
            (0, _) => "more".to_owned(),
            (callers, _) => crate::units::counted(callers, "caller"),
        }
    }

    /// Whether there is more than the line.
    pub fn has_more(&self) -> bool {
        !self.callers.is_empty() || !self.notes.is_empty()
    }
}
