//! What the kernel says about a process.

use std::fs;

/// `/proc/PID/status`
pub struct Status(String);

impl Status {
    /// None for a process that is gone.
    pub fn new(pid: u32) -> Option<Self> {
        fs::read_to_string(format!("/proc/{pid}/status")).ok().map(Self)
    }

    fn field(&self, name: &str) -> &str {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim()
    }

    /// `R`, `S`, `T`, `Z`, …
    pub fn state(&self) -> char {
        self.field("State").chars().next().unwrap_or('?')
    }

    /// Its id in the innermost pid namespace that it is in.
    pub fn innermost_id(&self) -> u64 {
        let ids = self.field("NSpid").split_ascii_whitespace();
        ids.last().and_then(|id| id.parse().ok()).expect("a thread has an id")
    }

    /// Memory that it has, in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.field("VmRSS").split(' ').next().and_then(|kib| kib.parse().ok()).expect("it lives")
    }

    /// Who traces it with ptrace(2); 0 is nobody.
    pub fn tracer_pid(&self) -> &str {
        self.field("TracerPid")
    }

    /// The most memory that it has had, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        let kib = self.field("VmHWM").trim_end_matches(" kB");
        kib.parse::<u64>().expect("a process has memory") << 10
    }

    /// Signals that have a handler, a bit each.
    pub fn caught(&self) -> u64 {
        u64::from_str_radix(self.field("SigCgt"), 16).unwrap_or(0)
    }

    /// A signal was sent to the process and no thread has taken it yet.
    pub fn pending(&self, signal: i32) -> bool {
        let mask = u64::from_str_radix(self.field("ShdPnd"), 16).unwrap_or(0);
        mask & (1 << (signal - 1)) != 0
    }
}
