//! The object `tracer.ps/1`.

use serde::Serialize;

use crate::report::Name;

/// The Python processes of this machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Processes {
    /// Which object this is.
    pub schema: &'static str,
    /// Those that have used most CPU time first.
    pub processes: Vec<ListedProcess>,
    /// How many processes may not be read: some of them may be Python.
    pub unreadable: u64,
    /// With more rights we could read some of these.
    #[serde(skip)]
    pub lacks_rights: bool,
}

impl Processes {
    /// The shape that this build writes.
    pub const SCHEMA: &'static str = "tracer.ps/1";
}

/// One process.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedProcess {
    /// Its id.
    pub pid: u32,
    /// Its parent.
    pub ppid: u32,
    /// CPython's version; `null` where it cannot be traced.
    pub python: Option<Name>,
    /// A build without GIL; `null` where that is not known.
    pub free_threaded: Option<bool>,
    /// Why it cannot be traced.
    pub refused: Option<Name>,
    /// Its command line as it stands now.
    pub command: Name,
    /// The unit of systemd that it runs in: `nginx.service`.
    pub unit: Option<Name>,
    /// The container that it runs in: an id, or a name where the engine shows that.
    pub container: Option<Name>,
    /// Its effective user.
    pub uid: Option<u32>,
    /// When it was started: RFC 3339, exact to a hundredth of a second.
    pub started: String,
    /// Time since then, in nanoseconds.
    pub age_ns: u64,
    /// CPU time, its own and that of children that it has waited for, exact to a hundredth of a second.
    pub cpu_seconds: f64,
    /// Resident memory, what it shares with others included.
    pub rss_bytes: u64,
    /// Its threads.
    pub threads: u64,
}
