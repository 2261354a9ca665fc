//! The object goes into the kernel: its maps, then its programs.

pub mod object;
#[cfg(test)]
mod stack_tests;
mod types;

use std::io;
use std::sync::{Mutex, PoisonError};

use aya::programs::Program;
use aya::{Ebpf, EbpfLoader};
use rustix::process::chroot;
use rustix::thread::{UnshareFlags, unshare_unsafe};
use tracer_common::control::rows;

use crate::attach::breakpoints::multi::Multi;
use crate::attach::error::Error;
use crate::attach::plan::{Plan, READS};
use crate::attach::tasks;
use crate::kernel::btf::Btf;

/// What takes the kernel longest to verify.
const LONGEST: [&str; 2] = ["sched_switch", READS];

/// aya's loader. It would read and parse all of the kernel's types, 5 MB in 40 ms, for relocations of which our object
/// has none, and has no option to leave that out: so it is made where it does not find them. Call it in a thread of its
/// own, which is good for nothing else afterwards.
pub fn loader() -> EbpfLoader<'static> {
    // Without the right to do so, it finds them, and takes longer.
    let _ = leave_the_root();
    EbpfLoader::new()
}

/// Gives this thread a root of its own, one that has no `/sys`.
fn leave_the_root() -> io::Result<()> {
    // SAFETY: descriptors stay shared with the other threads.
    unsafe { unshare_unsafe(UnshareFlags::FS) }?;
    chroot("/proc")?;
    Ok(())
}

/// Makes the maps, and sets the globals.
pub fn object<'a>(
    mut loader: EbpfLoader<'a>,
    globals: &'a [(&'static str, u32)],
    plan: &Plan,
    object: &[u8],
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
    loader.map_max_entries("SAMPLES", sample_rows(plan.rate_hz, online_cpus()));
    for (name, rows) in rows::ALL {
        loader.map_max_entries(name, rows * plan.room);
    }
    if let Some(rows) = plan.table_rows {
        TABLES.iter().for_each(|table| _ = loader.map_max_entries(table, rows));
    }
    loader.load(object).map_err(|error| Error::new("create the probes' maps", &error))
}

/// The maps that are added to.
const TABLES: [&str; 6] = ["SWITCHES", "WAKEUPS", "HOLDS", "READS", "READ_SIZES", "SAMPLES"];

fn online_cpus() -> u32 {
    aya::util::online_cpus().map_or(1, |cpus| cpus.len() as u32)
}

/// Room for two epochs of samples, each at a stack of its own, and as much again, since a busy machine lets us be late.
fn sample_rows(rate_hz: u32, cpus: u32) -> u32 {
    const EPOCHS: u32 = 4;
    const BOUNDS: (u32, u32) = (1 << 10, 1 << 18);
    rate_hz.saturating_mul(cpus).saturating_mul(EPOCHS).clamp(BOUNDS.0, BOUNDS.1)
}

/// Has the kernel verify the programs: most of the time that attaching takes, so it is done on two CPUs.
pub fn programs(
    ebpf: &mut Ebpf,
    mut multi: Option<Multi>,
    plan: &Plan,
    kernel: &Btf,
) -> Result<Option<Multi>, Error> {
    let types = types::needed_by(kernel, plan.tracepoints())?;
    let (breakpoints, others): (Vec<_>, Vec<_>) = ebpf
        .programs_mut()
        .filter(|(name, _)| plan.needs(name))
        .partition(|(_, program)| multi.is_some() && matches!(program, Program::UProbe(_)));
    let breakpoints: Vec<_> = breakpoints.into_iter().map(|(name, _)| name).collect();
    let mut wanted = others;
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
    let mut load_breakpoints = || {
        let mut load = |name: &&str| multi.as_mut().map_or(Ok(()), |multi| multi.load(name));
        breakpoints.iter().try_for_each(|name| load(name).map_err(|error| Error::of_hook(name, error)))
    };
    std::thread::scope(|scope| {
        let other = std::thread::Builder::new().spawn_scoped(scope, work);
        let mine = load_breakpoints().and_then(|()| work());
        let Ok(other) = other else { return mine }; // then all of the work was mine
        mine.and(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    Ok(multi)
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sys::vmlinux;

    #[test]
    fn there_is_room_for_each_sample() {
        assert_eq!(sample_rows(99, 2), 1024);
        assert_eq!(sample_rows(99, 64), 99 * 64 * 4);
        assert_eq!(sample_rows(u32::MAX, 64), 1 << 18);
    }

    #[test]
    fn only_the_thread_that_left_finds_no_types() {
        let left = std::thread::spawn(|| leave_the_root().is_ok().then(|| Path::new(vmlinux::PATH).exists()));
        // Root has the right to leave.
        let may_leave = rustix::process::geteuid().is_root();
        assert_eq!(left.join().unwrap(), may_leave.then_some(false));
        assert!(Path::new(vmlinux::PATH).exists());
    }
}
