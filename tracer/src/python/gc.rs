//! The garbage collector of a process: where it says that it runs, and where its function begins and returns.

use std::path::PathBuf;

use tracer_common::gc::{self, flag};

use crate::cpython::debug_offsets::DebugOffsets;
use crate::cpython::gc::{CollectingFlag, CollectorLayout, Statistics};
use crate::cpython::layout::{Gil, Layout};
use crate::cpython::memory::Memory;
use crate::process::elf::Symbol;
use crate::python::epilogue::returns;
use crate::python::instructions::past_mark;
use crate::python::runtime::Runtime;

/// The largest function that is believed to collect: it has some 5,000 bytes.
const FUNCTION_LIMIT: u64 = 65_536;
/// `ob_type` of any object, where there is a GIL.
const TYPE: u64 = 8;

/// Where the collecting function begins and returns: file offsets, for probes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collecting {
    /// Leads to the file.
    pub path: PathBuf,
    /// The first instructions of the function and its clones, past an `endbr64`.
    pub begins: Vec<u64>,
    /// Their returns.
    pub ends: Vec<u64>,
}

/// What the probes must know; all zeros where nothing is known.
pub(super) fn find(
    memory: &dyn Memory,
    runtime: &Runtime,
    layout: &Layout,
    offsets: Option<&DebugOffsets>,
    interpreter: u64,
) -> gc::Collector {
    let known = &layout.collector;
    let collecting = match known.collecting {
        CollectingFlag::Variable(name) => runtime.symbol(name),
        CollectingFlag::Runtime(offset) => {
            runtime.address().map(|address| address.wrapping_add(offset.into()))
        }
        CollectingFlag::Interpreter(offset) => Some(interpreter.wrapping_add(offset.into())),
        CollectingFlag::DebugOffsets => {
            let offset = offsets.and_then(DebugOffsets::collecting);
            offset.map(|offset| interpreter.wrapping_add(offset.into()))
        }
    };
    let is_variable = matches!(known.collecting, CollectingFlag::Variable(_));
    // Patch releases may move it.
    let kind = TYPE + layout.longer_head();
    let collecting = collecting
        .filter(|&at| is_variable || is_list(memory, runtime, at.wrapping_add(known.garbage), kind));
    let requester = layout.free_threaded.then(|| requester(memory, layout, interpreter)).flatten();
    // Who collects could not be distinguished from who runs beside it.
    let collecting = collecting.filter(|_| !layout.free_threaded || requester.is_some());
    let is_one_function = functions(runtime, known).len() == 1;
    gc::Collector {
        collecting: collecting.unwrap_or(0),
        requester: requester.unwrap_or(0),
        statistics: statistics(runtime, known, collecting).unwrap_or(0),
        // The arguments of clones may be others.
        generation_argument: if is_one_function { known.generation_argument } else { 0 },
        flags: flags(known, layout),
    }
}

/// Where the thread state is named for which all others stand still, if what lies there looks like it.
fn requester(memory: &dyn Memory, layout: &Layout, interpreter: u64) -> Option<u64> {
    let at = interpreter.wrapping_add(layout.collector.stop_the_world?.into());
    // A lock, and flags: requested, stopped, of all interpreters, that all have stopped.
    let flags = memory.u64(at).ok()?.to_le_bytes();
    let waits_for = memory.u64(at.wrapping_add(8)).ok()?;
    let is_plausible = flags[1] <= 1 && flags[2] <= 1 && flags[3] == 0 && waits_for < 1 << 22;
    is_plausible.then_some(at.wrapping_add(16))
}

fn statistics(runtime: &Runtime, known: &CollectorLayout, collecting: Option<u64>) -> Option<u64> {
    match known.statistics {
        Statistics::Variable(name) => runtime.symbol(name),
        others => Some(collecting?.wrapping_sub(others.distance()?)),
    }
}

fn flags(known: &CollectorLayout, layout: &Layout) -> u32 {
    let is_holder_reported = matches!(layout.gil, Gil::Runtime(_) | Gil::Interpreter(_));
    let all = [
        (known.statistics == Statistics::Rings, flag::RINGS),
        (known.statistics == Statistics::Rings && layout.free_threaded, flag::SINGLE),
        (known.checks, flag::CHECKS),
        (is_holder_reported, flag::HOLDER),
    ];
    all.into_iter().filter(|(holds, _)| *holds).fold(0, |flags, (_, flag)| flags | flag)
}

/// Whether a variable points at a list.
fn is_list(memory: &dyn Memory, runtime: &Runtime, variable: u64, kind: u64) -> bool {
    let pointer = |at: u64| memory.u64(at).ok();
    let kind = pointer(variable).and_then(|object| pointer(object.wrapping_add(kind)));
    kind.is_some() && kind == runtime.symbol("PyList_Type")
}

impl Collecting {
    /// `None` where the file does not name the function, or one of its clones does not return as is known.
    pub(super) fn find(runtime: &Runtime, layout: &Layout) -> Option<Self> {
        let (mut begins, mut ends) = (Vec::new(), Vec::new());
        for function in functions(runtime, &layout.collector) {
            let code = runtime.elf.code(function.address, function.size.min(FUNCTION_LIMIT))?;
            let returns = returns(&code);
            if returns.is_empty() {
                return None;
            }
            let in_file = |offset: u64| runtime.elf.file_offset(function.address.wrapping_add(offset));
            begins.push(in_file(past_mark(&code))?);
            for offset in returns {
                ends.push(in_file(offset)?);
            }
        }
        (!begins.is_empty()).then(|| Self { path: runtime.path.clone(), begins, ends })
    }
}

/// The best known function that is there, with its clones.
fn functions(runtime: &Runtime, known: &CollectorLayout) -> Vec<Symbol> {
    let found = known.functions.iter().map(|name| runtime.elf.clones(name));
    found.into_iter().find(|functions| !functions.is_empty()).unwrap_or_default()
}
