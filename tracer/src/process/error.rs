//! Why a process cannot be traced.

use std::io;

use crate::cpython::debug_offsets::Implausible;
use crate::error::ErrorKind;
use crate::event::{Bytes, Pid};
use crate::redact;

/// Why a process cannot be traced: one line that names the act, the object, the cause and the next step.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it; `pid` is always the process as it was asked for")]
pub enum Error {
    #[error("cannot trace PID {pid}: no such process; try tracer ps")]
    NoSuchProcess { pid: Pid },
    #[error("cannot trace PID {pid}: it is a zombie and runs nothing any more; try its parent, PID {parent}")]
    Zombie { pid: Pid, parent: Pid },
    #[error("cannot trace PID {pid}: {comm} is a kernel thread; try the PID of a Python process")]
    KernelThread { pid: Pid, comm: String },
    #[error("cannot read {object} of PID {pid}: {cause}; try sudo tracer --pid {pid}, or grant {capability}")]
    NotPermitted { pid: Pid, object: &'static str, capability: &'static str, cause: io::Error },
    #[error(
        "cannot read {object} of PID {pid}: the kernel forbids it to everybody; try kernel.yama.ptrace_scope=2"
    )]
    Forbidden { pid: Pid, object: &'static str },
    #[error(
        "cannot read {object} of PID {pid}: {cause}, although tracer has {capability}: it belongs to another user \
         namespace, or a security module protects it; try tracer outside of the container, or another process"
    )]
    Protected { pid: Pid, object: &'static str, capability: &'static str, cause: io::Error },
    #[error("cannot trace PID {pid}: {executable} is not Python; try the PID of a Python process")]
    NotPython { pid: Pid, executable: String },
    #[error(
        "cannot trace PID {pid}: no interpreter is found in the first 512 MiB of symbol tables of its files; \
         try a process with fewer libraries"
    )]
    TooMuch { pid: Pid },
    #[error("cannot trace PID {pid}: {implementation} is not CPython; try perf for native stacks")]
    OtherPython { pid: Pid, implementation: &'static str },
    #[error(
        "cannot trace PID {pid}: the version of {binary} cannot be found; try a release build of CPython"
    )]
    NoVersion { pid: Pid, binary: String },
    #[error("cannot trace PID {pid}: CPython {version} is not known to this build; try a newer tracer")]
    UnknownVersion { pid: Pid, version: String },
    #[error("cannot trace PID {pid}: CPython {version} is a debug build; try a release build")]
    DebugBuild { pid: Pid, version: String },
    #[error(
        "cannot trace PID {pid}: CPython {version} has another memory layout than its release ({cause}); try a release build"
    )]
    UnknownLayout { pid: Pid, version: String, cause: Implausible },
    #[error(
        "cannot trace PID {pid}: its interpreter {binary} cannot be found in memory; try an unstripped build"
    )]
    NoInterpreterState { pid: Pid, binary: String },
    #[error("cannot trace PID {pid}: its interpreter is not initialised yet; try again in a second")]
    NotInitialised { pid: Pid },
    #[error(
        "cannot trace PID {pid}: /proc shows another pid namespace than that of tracer; try mount -t proc proc /proc"
    )]
    ForeignProc { pid: Pid },
    #[error("cannot read {object} of PID {pid}: {cause}; try again")]
    Unreadable { pid: Pid, object: &'static str, cause: io::Error },
}

impl Error {
    /// Of what kind it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            gone if gone.is_gone() => ErrorKind::Gone,
            Self::NotPermitted { .. } | Self::Forbidden { .. } | Self::Protected { .. } => {
                ErrorKind::NotPermitted
            }
            Self::Unreadable { .. } | Self::NotInitialised { .. } | Self::ForeignProc { .. } => {
                ErrorKind::Other
            }
            _not_a_known_cpython => ErrorKind::NotPython,
        }
    }

    /// Whether there is nothing left to trace.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::NoSuchProcess { .. } | Self::Zombie { .. })
    }

    /// The kernel refuses for want of this capability, or in spite of it.
    pub(crate) fn denied(pid: Pid, object: &'static str, capability: &'static str, cause: io::Error) -> Self {
        if may_ptrace() {
            Self::Protected { pid, object, capability, cause }
        } else {
            Self::NotPermitted { pid, object, capability, cause }
        }
    }

    /// What a failed read of a process's memory, or of a file below `/proc/PID`, means.
    pub(crate) fn reading(pid: Pid, object: &'static str, cause: io::Error) -> Self {
        let gone = cause.raw_os_error() == Some(libc::ESRCH);
        match cause.kind() {
            _ if gone => Self::NoSuchProcess { pid },
            io::ErrorKind::NotFound => Self::NoSuchProcess { pid },
            io::ErrorKind::PermissionDenied if yama_forbids_all() => Self::Forbidden { pid, object },
            io::ErrorKind::PermissionDenied => Self::denied(pid, object, "CAP_SYS_PTRACE", cause),
            _ => Self::Unreadable { pid, object, cause },
        }
    }
}

/// `CAP_SYS_PTRACE` among capabilities.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/capability.h#L239>
const SYS_PTRACE: u64 = 1 << 19;

/// Whether we have what the kernel asks for, at least in our own user namespace: no sudo will help then.
fn may_ptrace() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & SYS_PTRACE != 0)
}

/// Yama may refuse any process the memory of another, whatever its capabilities.
/// <https://github.com/torvalds/linux/blob/v6.12/Documentation/admin-guide/LSM/Yama.rst>
fn yama_forbids_all() -> bool {
    std::fs::read("/proc/sys/kernel/yama/ptrace_scope").is_ok_and(|scope| scope.trim_ascii() == b"3")
}

/// A name of the target's for a message: one line, whatever its bytes.
pub(crate) fn printable(name: &[u8]) -> String {
    let name = redact::program(Bytes::copy_from_slice(name));
    String::from_utf8_lossy(&name).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_line_in_house_style() {
        let pid = 4242;
        let denied = || io::Error::from_raw_os_error(libc::EPERM);
        let capability = "CAP_SYS_PTRACE";
        for (error, kind, expected) in [
            (
                Error::Protected { pid, object: "memory", capability, cause: denied() },
                ErrorKind::NotPermitted,
                "cannot read memory of PID 4242: Operation not permitted (os error 1), although tracer has \
                 CAP_SYS_PTRACE: it belongs to another user namespace, or a security module protects it; \
                 try tracer outside of the container, or another process",
            ),
            (
                Error::NotPermitted { pid, object: "memory", capability, cause: denied() },
                ErrorKind::NotPermitted,
                "cannot read memory of PID 4242: Operation not permitted (os error 1); \
                 try sudo tracer --pid 4242, or grant CAP_SYS_PTRACE",
            ),
            (
                Error::reading(pid, "memory", io::Error::from_raw_os_error(libc::ESRCH)),
                ErrorKind::Gone,
                "cannot trace PID 4242: no such process; try tracer ps",
            ),
            (
                Error::NotPython { pid, executable: printable(b"/tmp/\x1b[31m\n") },
                ErrorKind::NotPython,
                "cannot trace PID 4242: /tmp/\\u{1b}[31m\\n is not Python; try the PID of a Python process",
            ),
            (
                Error::Forbidden { pid, object: "memory" },
                ErrorKind::NotPermitted,
                "cannot read memory of PID 4242: the kernel forbids it to everybody; \
                 try kernel.yama.ptrace_scope=2",
            ),
            (
                Error::UnknownVersion { pid, version: "3.16.0".into() },
                ErrorKind::NotPython,
                "cannot trace PID 4242: CPython 3.16.0 is not known to this build; try a newer tracer",
            ),
        ] {
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, expected));
        }
    }
}
