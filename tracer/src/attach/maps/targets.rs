//! Which processes are traced, and what is known of each: the probes write it at births, execs and ends, and user space
//! in between.

use aya::Ebpf;
use aya::maps::{HashMap, Map, MapData, MapError};
use tracer_common::target::{NUMBERS, Target, flag, place};

use crate::attach::error::Error;
use crate::attach::probes::{Probes, take};
use crate::clock::monotonic_ns;
use crate::event::Pid;
use crate::process::Process;
use crate::sys::words::Words;

/// What cannot be done when a map refuses a process.
const TRACE: &str = "trace another process";
/// `BPF_EXIST`
const EXIST: u64 = 2;

/// The maps of them.
pub struct Targets {
    targets: HashMap<MapData, u32, Target>,
    execs: HashMap<MapData, u32, u64>,
    /// The set of the same processes.
    traced: Words,
    /// Programs that are loaded later name it by this descriptor.
    _traced_map: MapData,
}

impl Targets {
    /// Takes the maps over.
    pub(in crate::attach) fn new(ebpf: &mut Ebpf) -> Result<Self, Error> {
        let (traced, traced_map) = words_of(ebpf)?;
        Ok(Self {
            targets: take(ebpf, "TARGETS", HashMap::try_from)?,
            execs: take(ebpf, "EXECS", HashMap::try_from)?,
            traced,
            _traced_map: traced_map,
        })
    }

    /// Replaces an entry, and never makes one: whether there is one.
    fn replace(&mut self, id: u32, target: &Target) -> Result<bool, Error> {
        match self.targets.insert(id, target, EXIST) {
            Ok(()) => Ok(true),
            Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => {
                Ok(false)
            }
            Err(error) => Err(Error::new(TRACE, &error)),
        }
    }
}

impl Probes {
    /// Traces a process, and those that it forks from now on.
    ///
    /// # Errors
    /// When the table is full.
    pub fn trace(&mut self, pid: Pid, target: &Target) -> Result<(), Error> {
        let Some(id) = self.kernel_id(pid)? else { return Ok(()) };
        self.targets.targets.insert(id, target, 0).map_err(|error| Error::new(TRACE, &error))?;
        let (word, bit) = place(id);
        self.targets.traced.set(word as usize, bit);
        Ok(())
    }

    /// What is known of a process that is traced.
    ///
    /// # Errors
    /// When the kernel does not list the tasks of our pid namespace.
    pub fn target(&mut self, pid: Pid) -> Result<Option<Target>, Error> {
        let Some(id) = self.kernel_id(pid)? else { return Ok(None) };
        Ok(self.targets.targets.get(&id, 0).ok())
    }

    /// Tells what was found out of a process, of which this was known before, unless it has ended or runs another program
    /// by now: whether it was so told.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn identify(&mut self, process: &Process, before: &Target, found: &Target) -> Result<bool, Error> {
        let Some(id) = self.kernel_id(process.pid)?.filter(|_| process.is_alive()) else { return Ok(false) };
        let mut target = Target { life: before.life, ended: before.ended, ..*found };
        loop {
            if !self.targets.replace(id, &target)? {
                return Ok(false);
            }
            // The probe at an exec notes it here first: one that this has undone is known.
            match self.targets.execs.get(&id, 0) {
                Ok(space) if space > target.space => target = executed(before, space),
                _ => break,
            }
        }
        if process.is_alive() {
            return Ok(target.space == found.space);
        }
        // Its pid may be another's by now, whose entry this was.
        self.targets.replace(id, &Target { life: 0, ..executed(before, monotonic_ns()) })?;
        Ok(false)
    }
}

/// What is known of a process that has just executed a program.
fn executed(before: &Target, space: u64) -> Target {
    let Target { life, ended, flags, .. } = *before;
    Target { space, flags: flags & flag::FOLLOW, life, ended, ..Target::default() }
}

/// The set of those that are traced.
fn words_of(ebpf: &mut Ebpf) -> Result<(Words, MapData), Error> {
    let Some(Map::Array(map)) = ebpf.take_map("TRACED") else {
        return Err(Error::Kernel { act: "find a map in the object", reason: "TRACED".to_owned() });
    };
    let words = Words::map(map.fd(), (NUMBERS / u64::BITS) as usize);
    let words = words.map_err(|error| Error::system("map the set of traced processes", &error))?;
    Ok((words, map))
}
