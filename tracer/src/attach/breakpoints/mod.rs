//! Breakpoints of the kernel, uprobes, in one process each.

mod checks;
pub mod collections;
pub mod handler_calls;
pub mod multi;
pub mod remover;
pub mod trap_cost;

use std::num::NonZeroU32;
use std::path::Path;

use aya::Ebpf;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeLink, UProbeScope};
use aya::programs::{ProgramError, UProbe};

use crate::attach::breakpoints::multi::Multi;
use crate::attach::breakpoints::remover::Remover;
use crate::attach::by_name::program;
use crate::attach::error::Error;

use crate::sys::in_flight::InFlight;

/// Where a program runs in a process. Dropped, it is removed, for which the kernel waits until nobody can be in it.
#[expect(dead_code, reason = "they are held, and closed")]
pub enum Breakpoint {
    /// Many places at once.
    Link(InFlight),
    /// One place each, before Linux 6.10.
    Events(Vec<UProbeLink>),
}

/// Why there is none.
#[derive(Debug)]
pub enum Refused {
    /// The process has ended.
    Gone,
    /// The kernel says so.
    Kernel(Error),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Gone => Self::Kernel { act: "set a breakpoint", reason: "the process has ended".into() },
            Refused::Kernel(error) => error,
        }
    }
}

/// Sets breakpoints, and removes them.
pub struct Breakpoints {
    /// `None` where the kernel has no links of many breakpoints.
    multi: Option<Multi>,
    /// Dropped last, and waited for.
    remover: Remover,
}

impl Breakpoints {
    /// By links of many, if the kernel has such.
    pub fn new(multi: Option<Multi>) -> Self {
        Self { multi, remover: Remover::new() }
    }

    /// Sets breakpoints of a program at these offsets of a file.
    pub fn set(
        &mut self,
        ebpf: &mut Ebpf,
        name: &'static str,
        pid: u32,
        path: &Path,
        offsets: &[u64],
    ) -> Result<Breakpoint, Refused> {
        let Some(multi) = &mut self.multi else { return set_one_by_one(ebpf, name, pid, path, offsets) };
        let link = multi.attach(name, pid, path, offsets);
        link.map(|link| Breakpoint::Link(InFlight::new(link))).map_err(|error| match error.raw_os_error() {
            code if is_gone(pid, code) => Refused::Gone,
            _ => Refused::Kernel(Error::of_hook(name, error)),
        })
    }

    /// Begins to remove something, be it a breakpoint or not.
    pub fn remove(&mut self, held: impl Send + 'static) {
        self.remover.remove(held);
    }

    /// What is still to be removed.
    pub fn left(&self) -> usize {
        self.remover.left()
    }

    /// Whether many are set, and removed, at once.
    pub fn are_many_at_once(&self) -> bool {
        self.multi.is_some()
    }
}

fn set_one_by_one(
    ebpf: &mut Ebpf,
    name: &'static str,
    pid: u32,
    path: &Path,
    offsets: &[u64],
) -> Result<Breakpoint, Refused> {
    let scope = NonZeroU32::new(pid).map(UProbeScope::OneProcess).ok_or(Refused::Gone)?;
    let program: &mut UProbe = program(ebpf, name).map_err(Refused::Kernel)?;
    // Loaded when there is an interpreter that has such places.
    if program.fd().is_err() {
        program.load().map_err(|error| Refused::Kernel(Error::of_probe(name, &error)))?;
    }
    let mut links = Vec::new();
    for &offset in offsets {
        let link = program.attach(UProbeAttachLocation::AbsoluteOffset(offset), path, scope);
        let link = link.and_then(|id| program.take_link(id));
        links.push(link.map_err(|error| refused(name, pid, &error))?);
    }
    Ok(Breakpoint::Events(links))
}

/// Whether the kernel refuses since the process has ended, or the file that it ran went with it.
fn is_gone(pid: u32, code: Option<i32>) -> bool {
    code == Some(libc::ESRCH) || std::fs::read_link(format!("/proc/{pid}/exe")).is_err()
}

fn refused(name: &'static str, pid: u32, error: &ProgramError) -> Refused {
    let code = match error {
        ProgramError::SyscallError(error) => error.io_error.raw_os_error(),
        _ => None,
    };
    match error {
        _ if is_gone(pid, code) => Refused::Gone,
        error => Refused::Kernel(Error::of_probe(name, error)),
    }
}
