//! Watchpoints on the flags of signals: hardware breakpoints on the main threads of some processes.
//!
//! They cost nothing until a flag is written, beyond a few debug registers that are swapped with the thread. One is on
//! the flag that any signal sets, so that no handler is missed, whenever it was installed; the others are on the flags
//! of single signals, which tell their handlers apart.

use std::collections::HashMap;

use aya::maps::MapData;
use aya::programs::perf_event::{
    BreakpointConfig, PerfBreakpointLength, PerfBreakpointType, PerfEventConfig, PerfEventLinkId,
    PerfEventScope, SamplePolicy,
};
use aya::programs::{PerfEvent, ProgramError};
use tracer_common::handler::{ENTRY_BYTES, Place};

use super::checks::Checks;
use super::error::Error;
use super::probes::{Probes, program, take};
use crate::event::{Pid, is_in};
use crate::target::signals::Handlers;

/// The program.
pub(super) const HANDLER: &str = "handler";
/// Debug registers of a thread, but for the one of the common flag.
const SINGLE: usize = 3;
/// Python installs a handler of this one by itself.
const SIGINT: u32 = 2;
/// What orchestrators send.
const SIGTERM: u32 = 15;
/// Processes that are watched at most: each takes up to eight file descriptors.
pub const MOST: usize = 64;

/// All watchpoints.
pub struct Watchpoints {
    places: aya::maps::HashMap<MapData, u32, Place>,
    watched: HashMap<Pid, Watched>,
    checks: Checks,
}

/// What one process has.
struct Watched {
    /// The kernel's number of it.
    id: u32,
    place: Place,
    /// On the flag that any signal sets, where there was a register for it.
    any: Option<PerfEventLinkId>,
    /// By signal.
    single: HashMap<u32, PerfEventLinkId>,
}

/// How the handlers of a process are seen.
#[derive(Debug)]
pub struct Seen {
    /// Why they are seen to begin by breakpoints at the functions that look for signals, where there was no debug
    /// register.
    pub without_registers: Option<Error>,
    /// Whether they are seen to end, or why not.
    pub ends: Result<bool, Error>,
}

/// Why a process is not watched.
#[derive(Debug)]
pub enum Refused {
    /// It has ended.
    Gone,
    /// The kernel says so.
    Kernel(Error),
}

impl Watchpoints {
    /// Takes the maps over.
    ///
    /// # Errors
    /// When they have been taken already.
    pub fn of(probes: &mut Probes) -> Result<Self, Error> {
        let places = take(&mut probes.ebpf, "HANDLERS", aya::maps::HashMap::try_from)?;
        Ok(Self { places, watched: HashMap::new(), checks: Checks::of(probes)? })
    }

    /// Whether no more processes can be watched.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.watched.len() >= MOST
    }

    /// Watches the handlers of a process from now on: when they begin, and, if wanted, when they end.
    ///
    /// # Errors
    /// When the process is gone, or the kernel refuses.
    pub fn watch(
        &mut self,
        probes: &mut Probes,
        pid: Pid,
        handlers: &Handlers,
        ends: bool,
    ) -> Result<Seen, Refused> {
        let id = probes.kernel_id(pid).map_err(Refused::Kernel)?.ok_or(Refused::Gone)?;
        let watched = Watched { id, place: handlers.place, any: None, single: HashMap::new() };
        self.watched.insert(pid, watched);
        let ends =
            if ends { self.checks.count(probes, pid, handlers, true).map(|()| true) } else { Ok(false) };
        let counted = matches!(ends, Ok(true));
        let seen = self.attach(probes, pid, handlers, counted);
        let seen = seen.inspect_err(|_| self.clear(probes, pid));
        Ok(Seen { without_registers: seen?, ends })
    }

    fn attach(
        &mut self,
        probes: &mut Probes,
        pid: Pid,
        handlers: &Handlers,
        counted: bool,
    ) -> Result<Option<Error>, Refused> {
        self.tell(pid)?;
        let error = match attach(probes, pid, handlers.place.is_tripped) {
            Ok(link) => {
                self.watched.entry(pid).and_modify(|watched| watched.any = Some(link));
                return Ok(None);
            }
            Err(Refused::Gone) => return Err(Refused::Gone),
            // A debugger may have taken the registers, or a virtual machine has none.
            Err(Refused::Kernel(error)) => error,
        };
        if !counted && self.checks.count(probes, pid, handlers, false).is_err() {
            return Err(Refused::Kernel(error));
        }
        self.watched.entry(pid).and_modify(|watched| watched.place.at_check = 1);
        self.tell(pid)?;
        Ok(Some(error))
    }

    /// Tells the handlers of these signals (bit N - 1 for signal N) apart, as far as there are registers. At no time is
    /// one not watched: while two watchpoints see it, both tell.
    pub fn tell_apart(&mut self, probes: &mut Probes, pid: Pid, signals: u64) {
        let Some(watched) = self.watched.get_mut(&pid).filter(|watched| watched.any.is_some()) else {
            return;
        };
        let wanted = chosen(signals);
        if wanted == watched.place.watched {
            return;
        }
        watched.place.watched &= wanted;
        let _ = self.places.insert(watched.id, watched.place, 0); // an entry that is there
        if let Ok(program) = program::<PerfEvent>(&mut probes.ebpf, HANDLER) {
            for (_, link) in watched.single.extract_if(|&signal, _| !is_in(wanted, signal)) {
                let _ = program.detach(link); // a thread that is gone has taken its watchpoint along
            }
        }
        for signal in (1..=64).filter(|&signal| is_in(wanted, signal)) {
            if watched.single.contains_key(&signal) {
                continue;
            }
            // Where a debugger has taken registers, the common flag tells.
            let address = watched.place.handlers + u64::from(signal) * ENTRY_BYTES;
            if let Ok(link) = attach(probes, pid, address) {
                watched.single.insert(signal, link);
                watched.place.watched |= 1 << (signal - 1);
            }
        }
        let _ = self.places.insert(watched.id, watched.place, 0);
    }

    /// Watches a process no more.
    pub fn clear(&mut self, probes: &mut Probes, pid: Pid) {
        self.checks.clear(probes, pid);
        let Some(watched) = self.watched.remove(&pid) else { return };
        let _ = self.places.remove(&watched.id); // it may not be there
        let Ok(program) = program::<PerfEvent>(&mut probes.ebpf, HANDLER) else { return };
        for link in watched.any.into_iter().chain(watched.single.into_values()) {
            let _ = program.detach(link);
        }
    }

    /// Tells the probes.
    fn tell(&mut self, pid: Pid) -> Result<(), Refused> {
        let Watched { id, place, .. } = self.watched[&pid];
        let told = self.places.insert(id, place, 0);
        told.map_err(|error| Refused::Kernel(Error::of("watch the flags of signals", &error)))
    }
}

impl Refused {
    fn of(error: &ProgramError) -> Self {
        match error {
            ProgramError::SyscallError(error) if error.io_error.raw_os_error() == Some(libc::ESRCH) => {
                Self::Gone
            }
            ProgramError::SyscallError(error) if error.io_error.raw_os_error() == Some(libc::ENOSPC) => {
                let reason = "its debug registers are taken".to_owned();
                Self::Kernel(Error::Kernel { act: "watch the flags of signals", reason })
            }
            _ => Self::Kernel(Error::of_probe(HANDLER, error)),
        }
    }
}

/// The main thread alone, wherever it runs: only it calls handlers.
fn attach(probes: &mut Probes, pid: Pid, address: u64) -> Result<PerfEventLinkId, Refused> {
    let program: &mut PerfEvent = program(&mut probes.ebpf, HANDLER).map_err(Refused::Kernel)?;
    let flag = PerfEventConfig::Breakpoint(BreakpointConfig::Data {
        r#type: PerfBreakpointType::Write,
        address,
        length: PerfBreakpointLength::Len4,
    });
    let scope = PerfEventScope::OneProcess { pid, cpu: None };
    program.attach(flag, scope, SamplePolicy::Period(1), false).map_err(|error| Refused::of(&error))
}

/// The signals that get a register of their own.
fn chosen(signals: u64) -> u64 {
    let mut set: Vec<_> = (1..=64).filter(|&signal| is_in(signals, signal)).collect();
    set.sort_by_key(|&signal| (signal == SIGINT, signal != SIGTERM, signal));
    set.into_iter().take(SINGLE).fold(0, |set, signal| set | 1 << (signal - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_go_to_the_program_s_own_handlers() {
        let set = |signals: &[u32]| signals.iter().fold(0, |set, signal| set | 1 << (signal - 1));
        for (signals, expected) in [
            (&[2][..], &[2][..]),
            (&[2, 10, 15], &[2, 10, 15]),
            (&[2, 10, 12, 15], &[10, 12, 15]),
            (&[1, 2, 10, 12, 15, 64], &[1, 10, 15]),
        ] {
            assert_eq!(chosen(set(signals)), set(expected), "{signals:?}");
        }
    }
}
