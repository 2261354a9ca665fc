//! The object goes into the kernel: its maps, then its programs.

use std::sync::{Mutex, PoisonError};

use aya::programs::Program;
use aya::{Ebpf, EbpfLoader};

use super::error::Error;
use super::plan::Plan;
use super::probes::READS;
use super::{tasks, types};
use crate::kernel::btf::Btf;

/// What takes the kernel longest to verify.
const LONGEST: [&str; 2] = ["sched_switch", READS];

/// Makes the maps, and sets the globals.
pub fn object<'a>(
    mut loader: EbpfLoader<'a>,
    globals: &'a [(&'static str, u32)],
    plan: &Plan,
    rdonly_cast: Option<u32>,
    wide: &'a [(&'static str, u64)],
) -> Result<Ebpf, Error> {
    for (name, value) in globals {
        // What no probe reads is not in the object.
        loader.override_global(name, value, false);
    }
    for (name, value) in wide {
        loader.override_global(name, value, true);
    }
    loader.map_max_entries("EVENTS", plan.ring_bytes);
    loader
        .load(&super::object::for_kernel(rdonly_cast))
        .map_err(|error| Error::of("create the probes' maps", &error))
}

/// Has the kernel verify the programs: most of the time that attaching takes, hence on two CPUs.
pub fn programs(ebpf: &mut Ebpf, plan: &Plan, kernel: &Btf) -> Result<(), Error> {
    let types = types::of(kernel, plan.tracepoints())?;
    let mut wanted: Vec<_> = ebpf.programs_mut().filter(|(name, _)| plan.needs(name)).collect();
    // The longest first, so that both end at about the same time.
    wanted.sort_by_key(|(name, _)| !LONGEST.contains(name));
    let queue = Mutex::new(wanted.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((name, program)) = next() {
            load_program(name, program, &types)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mine = work();
        mine.and(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn load_program(name: &str, program: &mut Program, types: &aya::Btf) -> Result<(), Error> {
    let loaded = match program {
        Program::BtfTracePoint(program) => program.load(name, types),
        Program::PerfEvent(program) => program.load(),
        Program::UProbe(program) => program.load(),
        Program::Iter(program) => program.load(tasks::LISTED, types),
        _ => return Ok(()), // the object has no others
    };
    loaded.map_err(|error| Error::of_probe(name, &error))
}
