//! The dump object, `tracer.dump/1`.

use serde::{Serialize, Serializer};

use crate::report::{Name, Stack, Target};

/// Where every thread is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dump {
    /// Which object this is.
    pub schema: &'static str,
    /// Whose threads they are.
    pub target: Target,
    /// By process and thread id.
    pub threads: Vec<DumpedThread>,
}

impl Dump {
    /// The shape that this build writes.
    pub const SCHEMA: &'static str = "tracer.dump/1";
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DumpedThread {
    /// Its process.
    pub pid: u32,
    /// Itself.
    pub tid: u32,
    /// As its own pid namespace numbers it, where that is another number: in a container.
    pub namespace_tid: Option<u32>,
    /// The kernel's name for it, at most 15 bytes.
    pub name: Option<Name>,
    /// What the scheduler says.
    pub state: State,
    /// The system call that it is blocked in.
    pub sleeps_in: Option<Name>,
    /// What it waits for there, if that is the GIL: `gil`.
    pub waits_for: Option<&'static str>,
    /// Whether it holds the GIL; unknown before 3.7.
    pub holds_gil: Option<bool>,
    /// Name of the asyncio task that it is in the middle of, from 3.14 on.
    pub task: Option<Name>,
    /// Innermost frame first.
    pub stack: Stack,
    /// How far the stack is to be believed.
    pub status: Status,
}

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $($(#[$variant_doc])* $variant,)+ }

        impl $type {
            /// As JSON and text have it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }
    };
}

words! {
    /// What the scheduler says of a thread: proc_pid_stat(5).
    State {
        /// On a CPU.
        Running = "running",
        /// Waits for a CPU.
        Runnable = "runnable",
        /// Blocked until something happens or a signal comes.
        Sleeping = "sleeping",
        /// Blocked, and no signal ends that.
        Disk = "disk",
        /// By a signal or a debugger.
        Stopped = "stopped",
        /// Ended, its process not.
        Zombie = "zombie",
    }
}

words! {
    /// How far a stack is to be believed.
    Status {
        /// Complete.
        Ok = "ok",
        /// The thread runs no Python code.
        NoPythonFrame = "no_python_frame",
        /// Memory could not be read: what follows is missing.
        Faulted = "faulted",
        /// There were more frames than the limit.
        Truncated = "truncated",
        /// The thread moved while it was read: its frames may not belong together.
        Torn = "torn",
    }
}
