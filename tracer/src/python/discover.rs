//! From a process to everything that a walk of its threads' stacks must know.

use std::io;
use std::ops::Range;
use std::time::Duration;

use tracer_common::gil::is_linked;
use tracer_common::python::Python;
use tracer_common::wakeup::FUTEX;

use crate::cpython::debug_offsets::DebugOffsets;
use crate::cpython::layout::{Gil, Head, Layout};
use crate::cpython::memory::Memory;
use crate::event::Pid;
use crate::process::Process;
use crate::process::allowance::Allowance;
use crate::process::error::{Error, printable};
use crate::process::maps::Mapping;
use crate::process::sleep::SleepsIn;
use crate::python::eval::EvalFrame;
use crate::python::gc::{self, Collecting};
use crate::python::instructions::loaded_variable;
use crate::python::runtime::{self, Runtime};
use crate::python::signals::Handlers;
use crate::python::threads::{self, ThreadState};
use crate::python::version::{self, Version};
use crate::python::{gil, slot};
use crate::sys::aside::{BRIEFLY, PATIENTLY};

/// A symbol that every build with `--with-pydebug` or `--with-trace-refs` has, and no other: their objects are larger.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/object.h>
const DEBUG_BUILD: &str = "_Py_NegativeRefcount";

/// The interpreter of a process.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// Its version.
    pub version: Version,
    /// A build without GIL.
    pub free_threaded: bool,
    /// What showed that its file holds an interpreter.
    pub how_found: &'static str,
    /// The file, as the target names it.
    pub file: Vec<u8>,
    /// What the walk in the kernel needs.
    pub python: Python,
    /// Its layout: the release's, and what the target says itself.
    pub layout: Layout,
    /// The evaluation function.
    pub eval_frame: Option<EvalFrame>,
    /// Its collecting function, where it is known by name.
    pub collecting: Option<Collecting>,
    /// Its signal handlers, where they can be watched.
    pub handlers: Option<Handlers>,
    /// It has not made its table of signal handlers yet, and will.
    pub handlers_to_come: bool,
    /// Where the instructions of the interpreter's file are mapped: a signal handler in there is CPython's own.
    pub text: Vec<Range<u64>>,
    /// There are no further mappings than those that were read.
    maps_are_all: bool,
}

/// Finds the interpreter of a process.
///
/// # Errors
/// When there is none that can be walked, by name of what there is; [`Error::NotInitialised`] may pass.
pub fn discover(process: &Process) -> Result<Interpreter, Error> {
    discover_within(process, PATIENTLY)
}

/// The same for who has not as much time.
///
/// # Errors
/// As [`discover`].
pub fn discover_briefly(process: &Process) -> Result<Interpreter, Error> {
    discover_within(process, BRIEFLY)
}

fn discover_within(process: &Process, limit: Duration) -> Result<Interpreter, Error> {
    let found = process.aside(limit, probe);
    found.unwrap_or_else(|cause| Err(Error::reading(process.pid, "memory", cause)))
}

fn probe(process: &Process) -> Result<Interpreter, Error> {
    let (maps, is_all) = process.maps_up_to_limit()?;
    let allowance = Allowance::default();
    let found =
        runtime::find(process, &maps, &allowance, |runtime| interpreter(process, &maps, runtime, &allowance));
    found.map(|found| Interpreter { maps_are_all: is_all, ..found })
}

/// What runs in the process, if it is this one.
fn interpreter(
    process: &Process,
    maps: &[Mapping],
    runtime: Runtime,
    allowance: &Allowance,
) -> Result<Interpreter, Error> {
    let pid = process.pid;
    let memory = process.memory();
    let unreadable = |cause| Error::reading(pid, "memory", cause);

    let build = Build::new(pid, &memory, &runtime)?;
    let layout = build.layout(pid)?;
    let head = head(pid, &runtime, &layout)?;
    let states = threads::thread_states(&memory, &layout, head).map_err(unreadable)?;
    let interpreters = threads::interpreters(&memory, &layout, head).map_err(unreadable)?;
    let (Some(&main), false) = (interpreters.last(), states.is_empty()) else {
        return Err(Error::NotInitialised { pid });
    };
    let gil = gil::find(&memory, &runtime, &layout, main).unwrap_or_default();
    let slot = slot::find(process, maps, allowance, &runtime, &layout, &states);
    let (gil_holder, gil_locked) = gil.holder.unwrap_or_default();
    if !process.is_alive() {
        return Err(Error::NoSuchProcess { pid });
    }
    let handlers = Handlers::find(&memory, &runtime, &layout);
    Ok(Interpreter {
        version: build.version,
        free_threaded: build.free_threaded,
        how_found: runtime.evidence.name(),
        file: runtime.name.clone(),
        python: Python {
            thread_state_slot: slot.slot,
            interpreters_head: head,
            main_interpreter: main,
            gil: gil.futexes.start,
            gil_variable: gil.variable.unwrap_or(0),
            gil_holder,
            gil_locked,
            gil_bytes: (gil.futexes.end - gil.futexes.start) as u32,
            entry_frame_argument: layout.entry_frame_argument,
            interpreter_gil: layout.interpreter_gil(),
            thread_interpreter: layout.thread.interpreter.into(),
            signal_handlers: handlers.as_ref().map_or(0, |handlers| handlers.place.handlers),
            layout: layout.wire(),
            thread_state_table: slot.table,
            thread_status: layout.thread.status.unwrap_or(0),
            collector: gc::find(&memory, &runtime, &layout, build.offsets.as_ref(), main),
        },
        collecting: Collecting::find(&runtime, &layout),
        handlers_to_come: handlers.is_none() && Handlers::will_be_found(&runtime, &layout),
        handlers,
        layout,
        eval_frame: EvalFrame::find(&runtime),
        text: runtime.text,
        maps_are_all: true,
    })
}

/// Most mappings of an interpreter's instructions in which a breakpoint is set: programs have one or two.
const TEXTS: usize = 64;

impl Interpreter {
    /// Why it gets no breakpoints, if that is so: the kernel sets each one in every mapping of the file, for which it keeps
    /// the process from mapping anything, and gives it a page of its own each time.
    #[must_use]
    pub fn mapped_too_often(&self) -> Option<String> {
        let mappings = self.text.len();
        if !self.maps_are_all {
            return Some(
                "it has more mappings than can be read, and each of its Python takes a breakpoint".into(),
            );
        }
        (mappings > TEXTS).then(|| {
            format!(
                "its Python is mapped {mappings} times, and a breakpoint is set in each of these mappings"
            )
        })
    }

    /// Whether a thread that sleeps so waits for the GIL.
    #[must_use]
    pub fn waits_for_gil(&self, memory: &dyn Memory, sleeps_in: SleepsIn) -> bool {
        /// Threads that may have gone to sleep for it since.
        const NEWER: u32 = 1 << 16;
        let SleepsIn::Syscall { number, first_argument: futex, stack_pointer, .. } = sleeps_in else {
            return false;
        };
        let is_in = |gil: u64| futex.wrapping_sub(gil) < self.python.gil_bytes.into();
        let leads_to = |gil| is_linked(gil, futex, stack_pointer, NEWER, |address| memory.u64(address).ok());
        let is_of = |gil| is_in(gil) || leads_to(gil);
        number == FUTEX.cast_unsigned()
            && (is_of(self.python.gil) || self.gils(memory).into_iter().any(is_of))
    }

    /// What the slot of a thread says is its thread state, `None` where there is no slot.
    pub(super) fn thread_state_of(&self, memory: &dyn Memory, fsbase: u64) -> Option<u64> {
        let Python { thread_state_table: table, thread_state_slot: slot, .. } = self.python;
        slot::ThreadSlot { table, slot }.thread_state(memory, fsbase)
    }

    /// The thread states that hold a GIL now; subinterpreters may have their own. `None` where that is not known: before
    /// 3.7, and where the GIL was not found.
    #[must_use]
    pub fn gil_holders(&self, memory: &dyn Memory) -> Option<Vec<u64>> {
        match self.layout.gil {
            Gil::Lock { .. } | Gil::Variables(_) => return None,
            _ if self.python.gil == 0 => return None,
            Gil::Runtime(_) | Gil::Interpreter(_) | Gil::Switched(_) => {}
        }
        let gils = self.gils(memory).into_iter();
        Some(gils.filter_map(|gil| gil::holder(memory, gil).ok().flatten()).collect())
    }

    /// The main interpreter's GIL, and those that others have of their own.
    fn gils(&self, memory: &dyn Memory) -> Vec<u64> {
        let Gil::Interpreter(offset) = self.layout.gil else { return vec![self.python.gil] };
        let states = threads::interpreters(memory, &self.layout, self.python.interpreters_head);
        let gil = |state: &u64| memory.u64(state.wrapping_add(offset.into())).ok();
        states.unwrap_or_default().iter().filter_map(gil).filter(|&gil| gil != 0).collect()
    }

    /// The thread states of the process, now.
    ///
    /// # Errors
    /// When memory cannot be read.
    pub fn thread_states(&self, memory: &dyn Memory) -> io::Result<Vec<ThreadState>> {
        threads::thread_states(memory, &self.layout, self.python.interpreters_head)
    }
}

/// Which build of which version.
struct Build {
    version: Version,
    free_threaded: bool,
    debug: bool,
    offsets: Option<DebugOffsets>,
}

impl Build {
    fn new(pid: Pid, memory: &dyn Memory, runtime: &Runtime) -> Result<Self, Error> {
        let offsets = runtime.address().map(|address| DebugOffsets::read(memory, address)).transpose();
        let offsets = offsets.map_err(|cause| Error::reading(pid, "memory", cause))?.flatten();
        let said = offsets.as_ref().map(|offsets| Version::from_hex(offsets.version));
        let binary = || printable(&runtime.name);
        let version = said.or_else(|| version::find(memory, runtime));
        Ok(Self {
            version: version.ok_or_else(|| Error::NoVersion { pid, binary: binary() })?,
            free_threaded: offsets.as_ref().is_some_and(|offsets| offsets.free_threaded),
            debug: runtime.elf.symbol(DEBUG_BUILD).is_some(),
            offsets,
        })
    }

    fn layout(&self, pid: Pid) -> Result<Layout, Error> {
        let version = || self.version.to_string();
        if self.debug {
            return Err(Error::DebugBuild { pid, version: version() });
        }
        let Some(layout) = Layout::for_release(self.version.release, self.free_threaded) else {
            return Err(Error::UnknownVersion { pid, version: version() });
        };
        let Some(offsets) = &self.offsets else { return Ok(*layout) };
        offsets.apply(layout).map_err(|cause| Error::UnknownLayout { pid, version: version(), cause })
    }
}

/// Address of the pointer to the newest interpreter state.
fn head(pid: Pid, runtime: &Runtime, layout: &Layout) -> Result<u64, Error> {
    let head = match layout.interpreter.head {
        Head::Runtime(offset) => runtime.address().map(|address| address.wrapping_add(offset.into())),
        Head::Variable(name) => runtime.symbol(name).or_else(|| loaded_by_accessor(runtime)),
    };
    head.ok_or_else(|| Error::NoInterpreterState { pid, binary: printable(&runtime.name) })
}

/// The variable that `PyInterpreterState_Head` returns, which stripped builds of 2.7 and 3.6 do not name.
///
/// It is one load: <https://github.com/python/cpython/blob/v3.6.15/Python/pystate.c>.
fn loaded_by_accessor(runtime: &Runtime) -> Option<u64> {
    let accessor = runtime.elf.exported("PyInterpreterState_Head")?.address;
    let variable = loaded_variable(&runtime.elf.bytes::<12>(accessor)?, accessor)?;
    Some(runtime.in_memory(variable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn builds_that_lie_differently_are_refused_by_name() {
        let build = |hex, free_threaded, debug| {
            let version = Version::from_hex(hex);
            Build { version, free_threaded, debug, offsets: None }.layout(7).map(|layout| layout.release)
        };
        assert_eq!(build(0x030b_02f0, false, false).expect("known"), (3, 11));
        for (refused, expected) in [
            (
                build(0x0310_00f0, false, false),
                "CPython 3.16.0 is not known to this build; try a newer tracer",
            ),
            (
                build(0x0305_0af0, false, false),
                "CPython 3.5.10 is not known to this build; try a newer tracer",
            ),
            (
                build(0x030c_01f0, true, false),
                "CPython 3.12.1 is not known to this build; try a newer tracer",
            ),
            (build(0x030b_02f0, false, true), "CPython 3.11.2 is a debug build; try a release build"),
        ] {
            let error = refused.expect_err(expected);
            assert_eq!(error.to_string(), format!("cannot trace PID 7: {expected}"));
            assert_eq!(error.kind(), ErrorKind::NotPython);
        }
    }
}
