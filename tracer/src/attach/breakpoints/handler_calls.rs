//! Breakpoints where some processes call signal handlers, and, if asked for, where they return.
//!
//! Not watchpoints on the flags of signals: where a virtual machine loses what a debug register says, the kernel takes the
//! trap for one of the program's own, and ends it.
//! <https://github.com/torvalds/linux/blob/v6.12/arch/x86/kernel/traps.c> (`exc_debug_user`)

use std::collections::HashMap;

use aya::maps::MapData;
use tracer_common::handler::HandlerAddresses;

use crate::attach::breakpoints::checks::Checks;
use crate::attach::breakpoints::{Breakpoint, Refused};
use crate::attach::by_name::take;
use crate::attach::error::Error;
use crate::attach::plan::HANDLER;
use crate::attach::probes::Probes;
use crate::event::Pid;
use crate::python::handler_call::HandlerCall;
use crate::python::signals::Handlers;

/// Processes that are watched at most: before Linux 6.10, the kernel takes a tenth of a second to remove a breakpoint, one
/// after the other, also when we end.
pub const MOST: usize = 32;
/// Breakpoints of one process at most, for the same reason.
const PLACES: usize = 4;

/// All of them.
pub struct HandlerCalls {
    places: aya::maps::HashMap<MapData, u32, HandlerAddresses>,
    watched: HashMap<Pid, Watched>,
    checks: Checks,
}

/// What one process has.
struct Watched {
    /// The kernel's number of it.
    id: u32,
    breakpoint: Breakpoint,
}

impl HandlerCalls {
    /// Takes the maps over.
    ///
    /// # Errors
    /// When they have been taken already.
    pub fn new(probes: &mut Probes) -> Result<Self, Error> {
        let places = take(&mut probes.ebpf, "HANDLERS", aya::maps::HashMap::try_from)?;
        Ok(Self { places, watched: HashMap::new(), checks: Checks::new(probes)? })
    }

    /// As many processes as are worth it, those included whose breakpoints are being removed.
    #[must_use]
    pub fn is_full(&self, probes: &Probes) -> bool {
        self.watched.len() + probes.breakpoints.left() >= MOST
    }

    /// Places that breakpoints of one process may be at.
    #[must_use]
    pub fn most_places(probes: &Probes) -> usize {
        if probes.breakpoints.are_many_at_once() { usize::MAX } else { PLACES }
    }

    /// Watches the handlers of a process from now on: when they begin, and, if wanted, when they end; whether that is seen,
    /// or why not.
    ///
    /// # Errors
    /// When the process is gone, or the kernel refuses.
    pub fn watch(
        &mut self,
        probes: &mut Probes,
        pid: Pid,
        handlers: &Handlers,
        call: &HandlerCall,
        ends: bool,
    ) -> Result<Result<bool, Error>, Refused> {
        let id = probes.kernel_id(pid).map_err(Refused::Kernel)?.ok_or(Refused::Gone)?;
        // Returns first: a handler that is seen to begin is then sure to be seen to end.
        let ends = if ends { self.checks.count(probes, pid, handlers).map(|()| true) } else { Ok(false) };
        if ends.is_err() {
            self.checks.clear(probes, pid);
        }
        let inserted = self.places.insert(id, handlers.place, 0);
        inserted.map_err(|error| Refused::Kernel(Error::new("watch the handlers of signals", &error)))?;
        match probes.set(HANDLER, pid, &handlers.path, &call.offsets) {
            Ok(breakpoint) => self.watched.insert(pid, Watched { id, breakpoint }),
            Err(refused) => {
                let _ = self.places.remove(&id); // it was put there just now
                self.checks.clear(probes, pid);
                return Err(refused);
            }
        };
        Ok(ends)
    }

    /// Watches a process no more.
    pub fn clear(&mut self, probes: &mut Probes, pid: Pid) {
        self.checks.clear(probes, pid);
        let Some(watched) = self.watched.remove(&pid) else { return };
        let _ = self.places.remove(&watched.id); // it may not be there
        probes.breakpoints.remove(watched.breakpoint);
    }

    /// Removes all breakpoints.
    pub fn release(&mut self, probes: &mut Probes) {
        self.checks.release(probes);
        self.watched.drain().for_each(|(_, watched)| probes.breakpoints.remove(watched.breakpoint));
    }
}
