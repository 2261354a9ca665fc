//! Ids, each of its own type: a stack is not taken for a file.

use serde::{Deserialize, Serialize};

/// Process id (`tgid`), as our pid namespace numbers it; 0 for a process that is not in there.
pub type Pid = u32;
/// Thread id, likewise.
pub type Tid = u32;

/// A thread of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Task {
    /// Process.
    pub pid: Pid,
    /// Thread; 0 where it is not known.
    pub tid: Tid,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl $name {
            /// None.
            pub const NONE: Self = Self(0);

            /// Whether there is none.
            #[must_use]
            pub const fn is_none(self) -> bool {
                self.0 == 0
            }
        }
    )+};
}
ids! {
    /// A stack, 0 where there was none: a hash of its frames, [`tracer_common::hash`].
    StackId;
    /// A file, 0 where there was none: [`tracer_common::hash::file_id`].
    FileId;
    /// An address space, 0 where none is known: a number that is never given again.
    SpaceId;
}
