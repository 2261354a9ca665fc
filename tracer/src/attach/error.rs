//! Why the kernel would not take the probes.

use std::io;

use crate::error::ErrorKind;
use crate::kernel::btf;
use crate::report::output::plain;

/// Why the probes are not attached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel does not describe its types.
    #[error("{0}; try a kernel built with CONFIG_DEBUG_INFO_BTF")]
    NoBtf(#[source] btf::Error),
    /// A struct is not as the probes need it.
    #[error("cannot adapt the probes to this kernel: {0}; try Linux 5.17 or later")]
    Btf(#[from] btf::Error),
    /// The kernel refuses for want of rights.
    #[error(
        "cannot load {what}: operation not permitted; try sudo, or grant CAP_BPF, CAP_PERFMON (uprobes: CAP_SYS_ADMIN)"
    )]
    NotPermitted {
        /// A map or a probe.
        what: String,
    },
    /// The kernel refuses a probe.
    #[error("cannot load probe {probe}: {reason}; try another kernel")]
    Refused {
        /// Its name.
        probe: String,
        /// The last lines of what the kernel said, in one.
        reason: String,
    },
    /// Anything else about the kernel's side.
    #[error("cannot {act}: {reason}")]
    Kernel {
        /// What was tried.
        act: &'static str,
        /// What came of it.
        reason: String,
    },
}

impl Error {
    /// Of a failed load or attach of a probe.
    pub(in crate::attach) fn of_probe(probe: &str, error: &aya::programs::ProgramError) -> Self {
        if is_denied(error) && !has_verifier_log(error) {
            return Self::NotPermitted { what: format!("probe {probe}") };
        }
        Self::Refused { probe: probe.to_owned(), reason: last_lines(&chain(error)) }
    }

    /// Of a breakpoint that the kernel does not set, or a clock that it does not start.
    pub(in crate::attach) fn of_hook(probe: &str, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::PermissionDenied {
            return Self::NotPermitted { what: format!("probe {probe}") };
        }
        Self::Refused { probe: probe.to_owned(), reason: error.to_string() }
    }

    /// Of something else that aya could not do.
    pub(in crate::attach) fn new(act: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        if is_denied(error) {
            return Self::NotPermitted { what: "the probes' maps".to_owned() };
        }
        Self::Kernel { act, reason: last_lines(&chain(error)) }
    }
}

impl Error {
    /// Of what kind it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotPermitted { .. } => ErrorKind::NotPermitted,
            Self::NoBtf(_) | Self::Btf(_) | Self::Refused { .. } => ErrorKind::Kernel,
            Self::Kernel { .. } => ErrorKind::Other,
        }
    }

    /// Where the user, or the control group, may have no more.
    pub(in crate::attach) fn no_thread(error: &io::Error) -> Self {
        let reason = format!("{}; try more processes: ulimit -u, pids.max", plain(error));
        Self::Kernel { act: "start a thread", reason }
    }

    /// Of a system call of our own.
    #[must_use]
    pub fn system(act: &'static str, error: &io::Error) -> Self {
        Self::Kernel { act, reason: error.to_string() }
    }
}

/// Somewhere down the chain the kernel said EPERM or EACCES.
fn is_denied(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied) {
            return true;
        }
        next = error.source();
    }
    false
}

/// The verifier refuses by EACCES too, and then says why.
fn has_verifier_log(error: &aya::programs::ProgramError) -> bool {
    matches!(error, aya::programs::ProgramError::LoadError { verifier_log, .. } if !verifier_log.to_string().is_empty())
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

/// A verifier's log is thousands of lines, of which the last before its statistics say what is wrong.
fn last_lines(text: &str) -> String {
    const STATISTICS: [&str; 3] = ["verification time ", "stack depth ", "processed "];
    let says = |line: &&str| !line.is_empty() && !STATISTICS.iter().any(|begin| line.starts_with(begin));
    let lines: Vec<_> = text.lines().map(str::trim).filter(says).collect();
    lines[lines.len().saturating_sub(4)..].join(" / ")
}
