//! What we may do.

use std::fs::read_to_string;
use std::os::unix::fs::MetadataExt;

use rustix::process::{Resource, getrlimit};

use super::check::Check;
use super::kernel::setting;
use crate::error::ErrorKind;

/// Inode of the first pid namespace.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/proc_ns.h>
const FIRST_PID_NAMESPACE: u64 = 0xeffffffc;

/// Capabilities by their bits: capabilities(7).
mod bit {
    pub const DAC_READ_SEARCH: u32 = 2;
    pub const SYS_PTRACE: u32 = 19;
    pub const SYS_ADMIN: u32 = 21;
    pub const PERFMON: u32 = 38;
    pub const BPF: u32 = 39;
    pub const CHECKPOINT_RESTORE: u32 = 40;
}

/// All of them.
pub fn checks() -> Vec<Check> {
    let capabilities = Capabilities::own();
    let mut checks: Vec<_> = NEEDS.iter().map(|need| need.check(capabilities)).collect();
    checks.extend([user_namespace(), pid_namespace(), perf_events(capabilities), yama(), locked_memory()]);
    checks
}

/// Effective capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Capabilities(u64);

impl Capabilities {
    fn own() -> Self {
        Self::parse(&read_to_string("/proc/self/status").unwrap_or_default())
    }

    fn parse(status: &str) -> Self {
        let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        Self(set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0))
    }

    fn has(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }
}

/// One thing that a capability is for.
struct RightNeed {
    name: &'static str,
    /// Any one of them is enough; the first is the least.
    any: &'static [(u32, &'static str)],
    what_for: &'static str,
    /// What happens without, where tracing works all the same.
    without: Option<&'static str>,
}

const NEEDS: &[RightNeed] = &[
    RightNeed {
        name: "right to load probes",
        any: &[(bit::BPF, "CAP_BPF"), (bit::SYS_ADMIN, "CAP_SYS_ADMIN")],
        what_for: "loads the probes",
        without: None,
    },
    RightNeed {
        name: "right to trace",
        any: &[(bit::PERFMON, "CAP_PERFMON"), (bit::SYS_ADMIN, "CAP_SYS_ADMIN")],
        what_for: "attaches probes to the kernel, and samples",
        without: None,
    },
    RightNeed {
        name: "right to read memory",
        any: &[(bit::SYS_PTRACE, "CAP_SYS_PTRACE")],
        what_for: "reads the memory of other users' processes",
        without: None,
    },
    RightNeed {
        name: "right to mapped files",
        any: &[(bit::CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE"), (bit::SYS_ADMIN, "CAP_SYS_ADMIN")],
        what_for: "opens the interpreter of a process even if its file was deleted",
        without: Some("an interpreter that was deleted or replaced on disk is not found"),
    },
    RightNeed {
        name: "right to search",
        any: &[(bit::DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH")],
        what_for: "reads interpreters in other users' folders",
        without: Some("an interpreter in another user's private folder is not found"),
    },
    RightNeed {
        name: "right to set breakpoints",
        any: &[(bit::SYS_ADMIN, "CAP_SYS_ADMIN")],
        what_for: "attaches uprobes on every kernel",
        without: Some(
            "the kernel may refuse uprobes: no start of handlers, no exact length of collections, no --calls",
        ),
    },
];

impl RightNeed {
    fn check(&self, capabilities: Capabilities) -> Check {
        if let Some((_, held)) = self.any.iter().find(|&&(bit, _)| capabilities.has(bit)) {
            return Check::ok(self.name, format!("{held} {}", self.what_for));
        }
        let (least, what_for) = (self.any[0].1, self.what_for);
        let remedy = format!("try sudo, or grant {least}");
        match self.without {
            None => Check::failed(
                self.name,
                ErrorKind::NotPermitted,
                format!("{least} is missing, which {what_for}"),
                remedy,
            ),
            Some(without) => Check::lacking(self.name, format!("{least} is missing: {without}"), remedy),
        }
    }
}

/// Capabilities in a user namespace of its own are worth nothing to BPF.
fn user_namespace() -> Check {
    let map = setting("/proc/self/uid_map").unwrap_or_default();
    let name = "user namespace";
    if map.split_ascii_whitespace().eq(["0", "0", "4294967295"]) {
        return Check::ok(name, "the first one");
    }
    let remedy = "try it outside of the container, or in a privileged one";
    Check::failed(name, ErrorKind::NotPermitted, "not the first one: BPF ignores its capabilities", remedy)
}

/// Probes see the pids of the first namespace.
fn pid_namespace() -> Check {
    let inode = std::fs::metadata("/proc/self/ns/pid").map(|namespace| namespace.ino());
    let name = "pid namespace";
    match inode {
        Ok(FIRST_PID_NAMESPACE) => Check::ok(name, "the first one"),
        Ok(_) => Check::failed(
            name,
            ErrorKind::Kernel,
            "not the first one: the kernel uses other process numbers",
            "try tracer on the host, or --pid=host",
        ),
        Err(error) => Check::ok(name, format!("may not be read: {error}")),
    }
}

/// <https://github.com/torvalds/linux/blob/v6.12/Documentation/admin-guide/sysctl/kernel.rst>
fn perf_events(capabilities: Capabilities) -> Check {
    let name = "perf_event_paranoid";
    let level = setting("/proc/sys/kernel/perf_event_paranoid");
    let is_open = level.as_deref().and_then(|level| level.parse().ok()).is_some_and(|level: i32| level < 1);
    let is_capable = capabilities.has(bit::PERFMON) || capabilities.has(bit::SYS_ADMIN);
    match level {
        None => Check::failed(
            name,
            ErrorKind::Kernel,
            "there are no perf events",
            "try a kernel built with CONFIG_PERF_EVENTS",
        ),
        Some(level) if is_open => Check::ok(name, level),
        Some(level) if is_capable => Check::ok(name, format!("{level}, which CAP_PERFMON overrides")),
        Some(level) => Check::lacking(
            name,
            format!("{level}: samples need a privilege"),
            "try sudo, or grant CAP_PERFMON",
        ),
    }
}

/// <https://github.com/torvalds/linux/blob/v6.12/Documentation/admin-guide/LSM/Yama.rst>
fn yama() -> Check {
    let name = "ptrace_scope";
    match setting("/proc/sys/kernel/yama/ptrace_scope").as_deref() {
        None => Check::ok(name, "no Yama"),
        Some("3") => Check::failed(
            name,
            ErrorKind::NotPermitted,
            "3: no process may read another one's memory until the next boot",
            "try kernel.yama.ptrace_scope=2 in /etc/sysctl.d, and boot",
        ),
        Some(scope) => Check::ok(name, format!("{scope}, which CAP_SYS_PTRACE overrides")),
    }
}

/// The kernel charges maps to the memory cgroup since 5.11, which is older than any that the probes run on.
fn locked_memory() -> Check {
    let limit = getrlimit(Resource::Memlock).current;
    let limit = limit.map_or_else(|| "unlimited".to_owned(), |bytes| format!("{} KiB", bytes / 1024));
    Check::ok("memlock", format!("{limit}; maps are not counted against it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_need_is_satisfied_by_any_of_its_capabilities() {
        let none = Capabilities::parse("CapPrm:\t000001ffffffffff\nCapEff:\t0000000000000000\n");
        let all = Capabilities::parse("CapEff:\t000001ffffffffff\n");
        let modern = Capabilities(1 << bit::BPF | 1 << bit::PERFMON | 1 << bit::SYS_PTRACE);
        let stops = |capabilities: Capabilities| -> Vec<_> {
            NEEDS.iter().filter_map(|need| need.check(capabilities).stops()).collect()
        };
        assert_eq!(
            (stops(none), stops(all), stops(modern)),
            (vec![ErrorKind::NotPermitted; 3], vec![], vec![])
        );
        assert!(NEEDS.iter().all(|need| need.check(all).ok));
        assert!(NEEDS.iter().any(|need| !need.check(modern).ok));
    }
}
