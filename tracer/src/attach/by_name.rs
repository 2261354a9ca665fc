//! Programs and maps of the loaded object, by their names.

use aya::Ebpf;
use aya::maps::MapError;
use aya::programs::{Program, ProgramError};

use crate::attach::error::Error;

/// A program of the object.
pub fn program<'a, P>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut P, Error>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    let missing = || Error::Kernel { act: "find a probe in the object", reason: name.to_owned() };
    ebpf.program_mut(name).ok_or_else(missing)?.try_into().map_err(|error| Error::of_probe(name, &error))
}

/// A map of the object, once.
pub fn take<M>(
    ebpf: &mut Ebpf,
    name: &'static str,
    make: impl FnOnce(aya::maps::Map) -> Result<M, MapError>,
) -> Result<M, Error> {
    let missing = || Error::Kernel { act: "find a map in the object", reason: name.to_owned() };
    make(ebpf.take_map(name).ok_or_else(missing)?).map_err(|error| Error::new("open a map", &error))
}
