//! Where CPython keeps its garbage collector's state, and which function collects. The numbers are in
//! [`crate::cpython::releases`].

/// Where one release keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectorLayout {
    /// The `int` that is 1 during a collection.
    pub collecting: CollectingFlag,
    /// Bytes from there to `garbage`, a list.
    pub garbage: u64,
    /// What it counts by generation.
    pub statistics: Statistics,
    /// The function that does one collection and returns, best first; a compiler may have made clones of it.
    pub functions: &'static [&'static str],
    /// Which argument of the function is the generation, counted from 1.
    pub generation_argument: u32,
    /// The function checks by itself whether a collection goes on.
    pub checks: bool,
    /// `PyInterpreterState.stoptheworld` of builds without GIL.
    pub stop_the_world: Option<u32>,
}

/// Where a variable lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectingFlag {
    /// It has no external linkage.
    Variable(&'static str),
    /// At this offset in `_PyRuntime`.
    Runtime(u32),
    /// At this offset in an interpreter state.
    Interpreter(u32),
    /// The target says where in an interpreter state.
    DebugOffsets,
}

/// Where the counts lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// There are none.
    None,
    /// A variable without external linkage.
    Variable(&'static str),
    /// Just before `collecting`: three generations of three words each.
    Before,
    /// The word before `collecting` points at them.
    Rings,
}

impl Statistics {
    /// Bytes from the start of the counts, or of the pointer to them, to `collecting`.
    #[must_use]
    pub fn distance(self) -> Option<u64> {
        match self {
            Self::Before => Some(72),
            Self::Rings => Some(8),
            Self::None | Self::Variable(_) => None,
        }
    }
}
