//! Breakpoints at the functions that look for signals, where handlers' ends are asked for: they cost something at every
//! call.

use std::collections::HashMap;
use std::num::NonZeroU32;

use aya::maps::MapData;
use aya::programs::UProbe;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeLinkId, UProbeScope};
use tracer_common::handler::Check;

use super::error::Error;
use super::probes::{Probes, program, take};
use crate::event::Pid;
use crate::target::signals::Handlers;

/// The programs. The second one counts what the first one has counted back again.
const ENTRY: &str = "check_entry";
const RETURN: &str = "check_return";

/// All of them.
pub struct Checks {
    depths: aya::maps::HashMap<MapData, u32, Check>,
    counted: HashMap<Pid, Counted>,
}

/// What one process has.
#[derive(Default)]
struct Counted {
    /// The kernel's number of it.
    id: u32,
    links: Vec<(&'static str, UProbeLinkId)>,
}

impl Checks {
    /// Takes the map over.
    ///
    /// # Errors
    /// When it has been taken already.
    pub fn of(probes: &mut Probes) -> Result<Self, Error> {
        let depths = take(&mut probes.ebpf, "CHECKS", aya::maps::HashMap::try_from)?;
        Ok(Self { depths, counted: HashMap::new() })
    }

    /// Counts a process's calls, and tells when they return.
    ///
    /// # Errors
    /// When the functions are not known, or the kernel refuses.
    pub fn count(&mut self, probes: &mut Probes, pid: Pid, handlers: &Handlers) -> Result<(), Error> {
        let process = NonZeroU32::new(pid).filter(|_| !handlers.checkers.is_empty());
        let unknown =
            || Error::Kernel { act: "see signals be looked for", reason: "no function does".into() };
        let scope = UProbeScope::OneProcess(process.ok_or_else(unknown)?);
        let act = "count how deep a process looks for signals";
        let id = probes.kernel_id(pid)?.ok_or_else(unknown)?;
        self.counted.insert(pid, Counted { id, links: Vec::new() });
        self.depths.insert(id, Check::default(), 0).map_err(|error| Error::of(act, &error))?;
        // Entries last: a return without its entry is not counted, an entry without its return would be.
        for name in [RETURN, ENTRY] {
            let program: &mut UProbe = program(&mut probes.ebpf, name)?;
            if program.fd().is_err() {
                program.load().map_err(|error| Error::of_probe(name, &error))?;
            }
            for &offset in &handlers.checkers {
                let at = UProbeAttachLocation::AbsoluteOffset(offset);
                let link = program.attach(at, &handlers.path, scope);
                let link = link.map_err(|error| Error::of_probe(name, &error))?;
                self.counted.entry(pid).or_default().links.push((name, link));
            }
        }
        Ok(())
    }

    /// Counts a process's calls no more.
    pub fn clear(&mut self, probes: &mut Probes, pid: Pid) {
        let Some(counted) = self.counted.remove(&pid) else { return };
        let _ = self.depths.remove(&counted.id); // it may not be there
        for (name, link) in counted.links {
            let Ok(program) = program::<UProbe>(&mut probes.ebpf, name) else { continue };
            if let Ok(link) = program.take_link(link) {
                probes.remover.remove(link);
            }
        }
    }
}
