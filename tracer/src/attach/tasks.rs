//! The tasks of our pid namespace, as the kernel lists them: by its own numbers and by ours.

use std::io::Read;

use aya::Ebpf;
use aya::programs::{Iter, ProgramError};
use tracer_common::task::Numbers;

use crate::attach::by_name::program;
use crate::attach::error::Error;
use crate::decode;

/// The program.
pub const TASKS: &str = "tasks";
/// What the kernel lists for it.
pub const LISTED: &str = "task";

/// All that live now: at least we ourselves.
pub fn list(ebpf: &mut Ebpf) -> Result<Vec<Numbers>, Error> {
    let program: &mut Iter = program(ebpf, TASKS)?;
    let refused = |error: ProgramError| Error::of_probe(TASKS, &error);
    let link = program.attach().and_then(|link| program.take_link(link)).map_err(refused)?;
    let mut file = link.into_file().map_err(|error| Error::new("list this pid namespace's tasks", &error))?;
    let mut bytes = Vec::new();
    let read = file.read_to_end(&mut bytes);
    read.map_err(|error| Error::system("list this pid namespace's tasks", &error))?;
    Ok(decode::tasks(&bytes))
}
