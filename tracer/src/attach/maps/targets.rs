//! Which processes are traced, and what is known of each: the probes write it at births, execs and ends, and user space
//! in between.

use crate::event::SpaceId;
use aya::Ebpf;
use aya::maps::{HashMap, Map, MapData, MapError};
use tracer_common::target::{NUMBERS, Target, flag, place};

use crate::attach::by_name::take;
use crate::attach::error::Error;
use crate::clock::monotonic_ns;
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
    pub fn new(ebpf: &mut Ebpf) -> Result<Self, Error> {
        let (traced, traced_map) = words_of(ebpf)?;
        Ok(Self {
            targets: take(ebpf, "TARGETS", HashMap::try_from)?,
            execs: take(ebpf, "EXECS", HashMap::try_from)?,
            traced,
            _traced_map: traced_map,
        })
    }

    /// Traces a process, and those that it forks from now on.
    pub fn insert(&mut self, id: u32, target: &Target) -> Result<(), Error> {
        self.targets.insert(id, target, 0).map_err(|error| Error::new(TRACE, &error))?;
        let (word, bit) = place(id);
        self.traced.set(word as usize, bit);
        Ok(())
    }

    /// What is known of one that is traced.
    pub fn get(&self, id: u32) -> Option<Target> {
        self.targets.get(&id, 0).ok()
    }

    /// Writes into the map what was found out of a process, of which this was known before, unless it has ended or runs another program
    /// by now: whether it was written.
    pub fn identify(
        &mut self,
        id: u32,
        process: &Process,
        before: &Target,
        found: &Target,
    ) -> Result<bool, Error> {
        let mut target = Target { life: before.life, ended: before.ended, ..*found };
        loop {
            if !self.replace(id, &target)? {
                return Ok(false);
            }
            // The probe at an exec notes it here first: one that this has undone is known.
            match self.execs.get(&id, 0) {
                Ok(space) if space > target.space => target = executed(before, SpaceId(space)),
                _ => break,
            }
        }
        if process.is_alive() {
            return Ok(target.space == found.space);
        }
        // Its pid may be another's by now, whose entry this was.
        self.replace(id, &Target { life: 0, ..executed(before, SpaceId(monotonic_ns())) })?;
        Ok(false)
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

/// What is known of a process that has just executed a program.
fn executed(before: &Target, space: SpaceId) -> Target {
    let Target { life, ended, flags, .. } = *before;
    Target { space: space.0, flags: flags & flag::FOLLOW, life, ended, ..Target::default() }
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
