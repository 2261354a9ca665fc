//! Where the kernel's mapping of all memory begins: at a fixed address, or where a variable of the kernel says. A probe
//! makes sure by what it finds there of our own memory.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read};

use aya::Ebpf;
use aya::maps::{Array, MapData};
use aya::programs::{Iter, ProgramError};
use tracer_common::control::Control;

use crate::attach::by_name::program;
use crate::attach::error::Error;
use crate::clock::monotonic_ns;

/// The program.
pub(in crate::attach) const DIRECT_MAP: &str = "direct_map";
/// The variable, in kernels that place the mapping at random.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/kernel/head64.c#L62>
const VARIABLE: &str = "page_offset_base";

/// What the probe makes sure by.
pub struct KnownMemory {
    /// Two words that are nowhere else.
    words: Box<[u64; 2]>,
    memory_end: u64,
}

impl KnownMemory {
    /// In memory of our own.
    pub fn new() -> Self {
        let mut words = Box::new([monotonic_ns(), 0]);
        words[1] = words.as_ptr() as u64 ^ !words[0];
        let iomem = fs::read_to_string("/proc/iomem").unwrap_or_default();
        Self { words, memory_end: memory_end(&iomem) }
    }

    /// What the probes are to know before they are loaded.
    pub fn globals(&self) -> [(&'static str, u64); 2] {
        [("WITNESS", black_box(&self.words).as_ptr() as u64), ("MEMORY_END", self.memory_end)]
    }
}

/// Where it begins; 0 where that is not found out: then the target's memory is read by the slower helper.
pub fn find(
    ebpf: &mut Ebpf,
    control: &mut Array<MapData, Control>,
    known_memory: &KnownMemory,
) -> Result<u64, Error> {
    if known_memory.memory_end == 0 {
        return Ok(0); // not permitted to know
    }
    match begin(ebpf)? {
        Some(fixed) => Ok(fixed),
        None => {
            let Some(variable) = variable() else { return Ok(0) };
            let state = Control { page_offset_base: variable, ..Control::default() };
            control.set(0, state, 0).map_err(|error| Error::new("find the direct map", &error))?;
            Ok(begin(ebpf)?.unwrap_or(0))
        }
    }
}

fn begin(ebpf: &mut Ebpf) -> Result<Option<u64>, Error> {
    let program: &mut Iter = program(ebpf, DIRECT_MAP)?;
    let refused = |error: ProgramError| Error::of_probe(DIRECT_MAP, &error);
    let link = program.attach().and_then(|link| program.take_link(link)).map_err(refused)?;
    let mut file = link.into_file().map_err(|error| Error::new("find the direct map", &error))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| Error::system("find the direct map", &error))?;
    Ok(bytes.try_into().ok().map(u64::from_ne_bytes))
}

/// After the last of the memory; 0 where the kernel does not show it.
fn memory_end(iomem: &str) -> u64 {
    let ram = iomem.lines().filter_map(|line| line.strip_suffix(" : System RAM"));
    let ends = ram.filter_map(|range| u64::from_str_radix(range.split_once('-')?.1, 16).ok());
    ends.max().filter(|&last| last != 0).map_or(0, |last| last + 1)
}

/// Address of the kernel's variable, if it has one and shows it.
fn variable() -> Option<u64> {
    let symbols = BufReader::with_capacity(1 << 16, File::open("/proc/kallsyms").ok()?);
    let mut lines = symbols.lines().map_while(Result::ok);
    let line = lines.find(|line| line.ends_with(VARIABLE))?;
    let mut words = line.split(' ');
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    (address != 0 && words.nth(1) == Some(VARIABLE)).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_ends_with_its_last_range() {
        let iomem = "00001000-0009fbff : System RAM\n  00000000-00000fff : Reserved\n\
                     100000000-63fffffff : System RAM\n8000000000-9fffffffff : PCI Bus 0000:00\n";
        assert_eq!(memory_end(iomem), 0x6_4000_0000);
        assert_eq!(memory_end("00000000-00000000 : System RAM\n"), 0);
    }
}
