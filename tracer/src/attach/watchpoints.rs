//! Watchpoints on the flags of signals: hardware breakpoints on the main threads of some processes.
//!
//! They cost nothing until a flag is written, beyond a few debug registers that are swapped with the thread.

use std::collections::HashMap;

use aya::maps::MapData;
use aya::programs::perf_event::{
    BreakpointConfig, PerfBreakpointLength, PerfBreakpointType, PerfEventConfig, PerfEventLinkId,
    PerfEventScope, SamplePolicy,
};
use aya::programs::{PerfEvent, ProgramError};
use tracer_common::handler::{ENTRY_BYTES, Place};

use super::error::Error;
use super::probes::{Probes, program, take};
use crate::event::Pid;

/// The program.
pub(super) const HANDLER: &str = "handler";
/// Debug registers of a thread.
const REGISTERS: u32 = 4;
/// Processes that are watched at most: each takes up to eight file descriptors.
pub const MOST: usize = 64;

/// All watchpoints.
pub struct Watchpoints {
    places: aya::maps::HashMap<MapData, u32, Place>,
    links: HashMap<Pid, Vec<PerfEventLinkId>>,
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
    /// Takes the map over.
    ///
    /// # Errors
    /// When it has been taken already.
    pub fn of(probes: &mut Probes) -> Result<Self, Error> {
        let places = take(&mut probes.ebpf, "HANDLERS", aya::maps::HashMap::try_from)?;
        Ok(Self { places, links: HashMap::new() })
    }

    /// Whether no more processes can be watched.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.links.len() >= MOST
    }

    /// Watches these signals (bit N - 1 for signal N) of a process, and no others: each by itself where there are
    /// registers for all, else one flag for all.
    ///
    /// # Errors
    /// When the process is gone, or the kernel refuses.
    pub fn watch(
        &mut self,
        probes: &mut Probes,
        pid: Pid,
        place: &Place,
        signals: u64,
    ) -> Result<(), Refused> {
        self.clear(probes, pid);
        if signals == 0 {
            return Ok(());
        }
        let kernel = |error| Refused::Kernel(Error::of("watch the flags of signals", &error));
        self.places.insert(pid, place, 0).map_err(kernel)?;
        let attached = self.attach(probes, pid, &each(place, signals));
        // A debugger may have taken some of the registers: one is enough for all flags at once.
        let attached = attached.or_else(|_| self.attach(probes, pid, &[place.is_tripped]));
        attached.inspect_err(|_| self.clear(probes, pid))
    }

    /// Watches a process no more.
    pub fn clear(&mut self, probes: &mut Probes, pid: Pid) {
        let _ = self.places.remove(&pid); // it may not be there
        let Ok(program) = program::<PerfEvent>(&mut probes.ebpf, HANDLER) else { return };
        for link in self.links.remove(&pid).unwrap_or_default() {
            let _ = program.detach(link); // a thread that is gone has taken its watchpoint along
        }
    }

    fn attach(&mut self, probes: &mut Probes, pid: Pid, addresses: &[u64]) -> Result<(), Refused> {
        let program: &mut PerfEvent = program(&mut probes.ebpf, HANDLER).map_err(Refused::Kernel)?;
        let links = self.links.entry(pid).or_default();
        for &address in addresses {
            match program.attach(flag_at(address), scope(pid), SamplePolicy::Period(1), false) {
                Ok(link) => links.push(link),
                Err(error) => {
                    links.drain(..).for_each(|link| _ = program.detach(link));
                    return Err(Refused::of(&error));
                }
            }
        }
        Ok(())
    }
}

impl Refused {
    fn of(error: &ProgramError) -> Self {
        match error {
            ProgramError::SyscallError(error) if error.io_error.raw_os_error() == Some(libc::ESRCH) => {
                Self::Gone
            }
            _ => Self::Kernel(Error::of_probe(HANDLER, error)),
        }
    }
}

/// The flags to watch.
fn each(place: &Place, signals: u64) -> Vec<u64> {
    if signals.count_ones() > REGISTERS {
        return vec![place.is_tripped];
    }
    let set = (1..=64).filter(|signal| signals >> (signal - 1) & 1 == 1);
    set.map(|signal| place.handlers + signal * ENTRY_BYTES).collect()
}

fn flag_at(address: u64) -> PerfEventConfig {
    PerfEventConfig::Breakpoint(BreakpointConfig::Data {
        r#type: PerfBreakpointType::Write,
        address,
        length: PerfBreakpointLength::Len4,
    })
}

/// The main thread alone, wherever it runs: only it calls handlers.
fn scope(pid: Pid) -> PerfEventScope {
    PerfEventScope::OneProcess { pid, cpu: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_signals_than_registers_share_one() {
        let place = Place { is_tripped: 0x10, handlers: 0x1000, ..Place::default() };
        assert_eq!(each(&place, 1 << 1 | 1 << 14), [0x1020, 0x10f0]);
        assert_eq!(each(&place, 1 << 63), [0x1400]);
        assert_eq!(each(&place, 0b1_1111), [0x10]);
    }
}
