//! Probes where the collecting functions of some processes begin and return.

use std::collections::HashMap;

use aya::maps::MapData;
use tracer_common::gc::Collection;

use crate::attach::breakpoints::{Breakpoint, Refused};
use crate::attach::by_name::take;
use crate::attach::error::Error;
use crate::attach::probes::Probes;
use crate::event::{Nanos, Pid, Task};
use crate::python::gc::Collecting;

/// The program where a collection begins.
pub(in crate::attach) const BEGIN: &str = "gc_begin";

/// How the end of a collection is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnProbe {
    /// By a uretprobe: it replaces the return address on the stack.
    Return,
    /// By uprobes on the `ret`s of the function, over which the kernel has to step.
    Ret,
}

impl ReturnProbe {
    pub(in crate::attach) fn program(self) -> &'static str {
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

/// Probes at most: before Linux 6.10, the kernel takes a tenth of a second to remove one, one after the other, also when we
/// end.
pub const MOST: usize = 32;

/// All of these probes.
pub struct Collections {
    open: aya::maps::HashMap<MapData, u32, Collection>,
    /// With the number of places that each is at.
    held: HashMap<Pid, Vec<(Breakpoint, usize)>>,
}

impl Collections {
    /// Takes the map over.
    ///
    /// # Errors
    /// When it has been taken already.
    pub fn new(probes: &mut Probes) -> Result<Self, Error> {
        let open = take(&mut probes.ebpf, "COLLECTIONS", aya::maps::HashMap::try_from)?;
        Ok(Self { open, held: HashMap::new() })
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
        end: ReturnProbe,
    ) -> Result<(), Refused> {
        self.clear(probes, pid);
        let attached = self.attach(probes, pid, place, end);
        attached.inspect_err(|_| self.clear(probes, pid))
    }

    fn attach(
        &mut self,
        probes: &mut Probes,
        pid: Pid,
        place: &Collecting,
        end: ReturnProbe,
    ) -> Result<(), Refused> {
        let held = self.held.entry(pid).or_default();
        // The ends first: what has begun is then sure to end.
        let ends = if end == ReturnProbe::Return { &place.begins } else { &place.ends };
        for (name, offsets) in [(end.program(), ends), (BEGIN, &place.begins)] {
            held.push((probes.set(name, pid, &place.path, offsets)?, offsets.len()));
        }
        Ok(())
    }

    /// Sees them no more. The breakpoint at the begin is taken out before those at the ends: what has begun is then sure to
    /// end, and where the kernel takes one out after the other, and waits in between, none is run into that begins.
    pub fn clear(&mut self, probes: &mut Probes, pid: Pid) {
        let held = self.held.remove(&pid).unwrap_or_default();
        if !held.is_empty() {
            probes.breakpoints.remove(held.into_iter().rev().collect::<Vec<_>>());
        }
    }

    /// Removes all of them; what goes on is known still.
    pub fn release(&mut self, probes: &mut Probes) {
        for (breakpoint, _) in self.held.drain().flat_map(|(_, held)| held) {
            probes.breakpoints.remove(breakpoint);
        }
    }

    /// As many probes as are worth it, those included that are being removed.
    #[must_use]
    pub fn is_full(&self, probes: &Probes) -> bool {
        self.held.values().flatten().map(|(_, places)| places).sum::<usize>() + probes.breakpoints.left()
            >= MOST
    }

    /// Collections that go on.
    pub fn unfinished<'a>(&'a self, probes: &'a Probes) -> impl Iterator<Item = (Task, Collection)> + 'a {
        let open = self.open.iter().flatten();
        open.map(|(tid, collection)| (probes.shown_task(collection.pid, tid), collection))
    }
}
