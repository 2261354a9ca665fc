//! Breakpoints at the functions that look for signals, where handlers' ends are asked for: they cost something at every
//! call.

use std::collections::HashMap;

use aya::maps::MapData;
use tracer_common::handler::Check;

use crate::attach::breakpoints::Breakpoint;
use crate::attach::by_name::take;
use crate::attach::error::Error;
use crate::attach::probes::Probes;
use crate::event::Pid;
use crate::python::signals::Handlers;

/// The programs. The second one counts what the first one has counted back again.
const ENTRY: &str = "check_entry";
const RETURN: &str = "check_return";

/// All of them.
pub struct Checks {
    depths: aya::maps::HashMap<MapData, u32, Check>,
    counted: HashMap<Pid, CountedProcess>,
}

/// What one process has.
#[derive(Default)]
struct CountedProcess {
    /// The kernel's number of it.
    id: u32,
    held: Vec<Breakpoint>,
}

impl Checks {
    /// Takes the map over.
    ///
    /// # Errors
    /// When it has been taken already.
    pub fn new(probes: &mut Probes) -> Result<Self, Error> {
        let depths = take(&mut probes.ebpf, "CHECKS", aya::maps::HashMap::try_from)?;
        Ok(Self { depths, counted: HashMap::new() })
    }

    /// Counts a process's calls, and reports when they return.
    ///
    /// # Errors
    /// When the functions are not known, or the kernel refuses.
    pub fn count(&mut self, probes: &mut Probes, pid: Pid, handlers: &Handlers) -> Result<(), Error> {
        let unknown = || Error::Kernel {
            act: "watch the checks for signals",
            reason: "no such function is known".into(),
        };
        if handlers.checkers.is_empty() {
            return Err(unknown());
        }
        let act = "count nested checks for signals";
        let id = probes.kernel_id(pid)?.ok_or_else(unknown)?;
        self.counted.insert(pid, CountedProcess { id, held: Vec::new() });
        self.depths.insert(id, Check::default(), 0).map_err(|error| Error::new(act, &error))?;
        // Entries last: a return without its entry is not counted, an entry without its return would be.
        for name in [RETURN, ENTRY] {
            let breakpoint = probes.set(name, pid, &handlers.path, &handlers.checkers)?;
            self.counted.entry(pid).or_default().held.push(breakpoint);
        }
        Ok(())
    }

    /// Counts a process's calls no more.
    pub fn clear(&mut self, probes: &mut Probes, pid: Pid) {
        let Some(counted) = self.counted.remove(&pid) else { return };
        let _ = self.depths.remove(&counted.id); // it may not be there
        counted.held.into_iter().for_each(|breakpoint| probes.breakpoints.remove(breakpoint));
    }

    /// Removes all of them.
    pub fn release(&mut self, probes: &mut Probes) {
        let held = self.counted.drain().flat_map(|(_, counted)| counted.held);
        held.for_each(|breakpoint| probes.breakpoints.remove(breakpoint));
    }
}
