//! Where the kernel's mapping of all memory begins: the probes find it by what they find in our own memory.

use std::hint::black_box;
use std::io::Read;

use aya::Ebpf;
use aya::programs::{Iter, ProgramError};

use super::error::Error;
use super::probes::program;
use crate::clock::monotonic_ns;

/// The program.
pub(super) const DIRECT_MAP: &str = "direct_map";

/// Two words that are nowhere else.
pub struct Witness(Box<[u64; 2]>);

impl Witness {
    /// In memory of our own.
    pub fn new() -> Self {
        let words = Box::new([monotonic_ns(), 0]);
        let address = words.as_ptr() as u64;
        let mut witness = Self(words);
        witness.0[1] = address ^ !witness.0[0];
        witness
    }

    /// Where they lie.
    pub fn address(&self) -> u64 {
        black_box(&self.0).as_ptr() as u64
    }
}

/// Where it begins; 0 where that is not found out: then the target's memory is read by the slower helper.
pub fn find(ebpf: &mut Ebpf, witness: &Witness) -> Result<u64, Error> {
    let program: &mut Iter = program(ebpf, DIRECT_MAP)?;
    let refused = |error: ProgramError| Error::of_probe(DIRECT_MAP, &error);
    let link = program.attach().and_then(|link| program.take_link(link)).map_err(refused)?;
    let mut file = link.into_file().map_err(|error| Error::of("find the direct map", &error))?;
    let mut bytes = Vec::new();
    black_box(witness);
    file.read_to_end(&mut bytes).map_err(|error| Error::system("find the direct map", &error))?;
    Ok(bytes.try_into().map_or(0, u64::from_ne_bytes))
}
