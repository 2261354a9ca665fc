//! Probes where the collecting functions of some processes begin and return.

use std::collections::HashMap;
use std::num::NonZeroU32;

use aya::maps::MapData;
use aya::programs::UProbe;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeLinkId, UProbeScope};
use tracer_common::collector::Collection;

use super::error::Error;
use super::probes::{Probes, program, take};
use crate::event::{Nanos, Pid, Task};
use crate::target::collector::Collecting;

/// The program where a collection begins.
const BEGIN: &str = "gc_begin";

/// How the end of a collection is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By a uretprobe: it replaces the return address on the stack.
    Return,
    /// By uprobes on the `ret`s of the function, over which the kernel has to step.
    Ret,
}

impl End {
    fn program(self) -> &'static str {
        match self {
            Self::Return => "gc_return",
            Self::Ret => "gc_end",
        }
    }

    /// What both breakpoints cost a collection, the programs aside: measured on a virtual machine, where a trap is
    /// several times as dear as elsewhere.
    #[must_use]
    pub fn traps_ns(self) -> Nanos {
        match self {
            Self::Return => 4_000,
            Self::Ret => 16_000,
        }
    }
}

/// Probes at most: the kernel takes a tenth of a second to remove one, one after the other, also when we end.
pub const MOST: usize = 32;

/// All of these probes.
pub struct Collections {
    open: aya::maps::HashMap<MapData, u32, Collection>,
    links: HashMap<Pid, Vec<(&'static str, UProbeLinkId)>>,
}

impl Collections {
    /// Takes the map over.
    ///
    /// # Errors
    /// When it has been taken already.
    pub fn of(probes: &mut Probes) -> Result<Self, Error> {
        let open = take(&mut probes.ebpf, "COLLECTIONS", aya::maps::HashMap::try_from)?;
        Ok(Self { open, links: HashMap::new() })
    }

    /// Sees every collection of a process from now on.
    ///
    /// # Errors
    /// When the process is gone, or the kernel refuses.
    pub fn watch(
        &mut self,
        probes: &mut Probes,
        pid: Pid,
        place: &Collecting,
        end: End,
    ) -> Result<(), Error> {
        self.clear(probes, pid);
        let attached = self.attach(probes, pid, place, end);
        attached.inspect_err(|_| self.clear(probes, pid))
    }

    fn attach(&mut self, probes: &mut Probes, pid: Pid, place: &Collecting, end: End) -> Result<(), Error> {
        let Some(scope) = NonZeroU32::new(pid).map(UProbeScope::OneProcess) else { return Ok(()) };
        let links = self.links.entry(pid).or_default();
        // The ends first: what has begun is then sure to end.
        let ends = if end == End::Return { &place.begins } else { &place.ends };
        for (name, offsets) in [(end.program(), ends), (BEGIN, &place.begins)] {
            let program: &mut UProbe = program(&mut probes.ebpf, name)?;
            // Most interpreters are stripped: loaded when there is one that is not.
            if program.fd().is_err() {
                program.load().map_err(|error| Error::of_probe(name, &error))?;
            }
            for &offset in offsets {
                let link = program.attach(UProbeAttachLocation::AbsoluteOffset(offset), &place.path, scope);
                links.push((name, link.map_err(|error| Error::of_probe(name, &error))?));
            }
        }
        Ok(())
    }

    /// Sees them no more.
    pub fn clear(&mut self, probes: &mut Probes, pid: Pid) {
        for (name, link) in self.links.remove(&pid).unwrap_or_default() {
            let Ok(program) = program::<UProbe>(&mut probes.ebpf, name) else { continue };
            if let Ok(link) = program.take_link(link) {
                probes.remover.remove(link);
            }
        }
    }

    /// Processes that are watched.
    pub fn pids(&self) -> impl Iterator<Item = Pid> {
        self.links.keys().copied()
    }

    /// As many probes as are worth it, those included that are being removed.
    #[must_use]
    pub fn is_full(&self, probes: &Probes) -> bool {
        self.links.values().map(Vec::len).sum::<usize>() + probes.remover.left() >= MOST
    }

    /// Collections that go on.
    pub fn unfinished<'a>(&'a self, probes: &'a Probes) -> impl Iterator<Item = (Task, Collection)> + 'a {
        let open = self.open.iter().flatten();
        open.map(|(tid, collection)| (probes.shown_task(collection.pid, tid), collection))
    }
}
