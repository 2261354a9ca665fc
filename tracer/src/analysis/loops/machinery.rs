//! Which frames are an event loop's own: what is inside of them is a callback, or a step of a task.

use crate::symbols::{Frame, FrameId, Symbols};

/// Ends of file names, and the functions in there.
type Functions = (&'static str, &'static [&'static str]);

/// What calls one callback.
/// <https://github.com/python/cpython/blob/v3.12.0/Lib/asyncio/events.py>
const CALLS: &[Functions] =
    &[("asyncio/events.py", &["_run"]), ("twisted/internet/posixbase.py", &["_doReadOrWrite"])];
/// What runs the loop; uvloop's own functions have no Python frames.
/// <https://github.com/python/cpython/blob/v3.12.0/Lib/asyncio/base_events.py>
const RUNS: &[Functions] = &[
    ("asyncio/base_events.py", &["_run_once", "run_forever", "run_until_complete"]),
    ("asyncio/runners.py", &["run"]),
    ("uvloop/__init__.py", &["run"]),
    ("trio/_core/_run.py", &["unrolled_run", "run"]),
    ("twisted/internet/epollreactor.py", &["doPoll"]),
    ("twisted/internet/base.py", &["runUntilCurrent", "mainLoop", "run"]),
];

/// How many of the innermost frames a loop has called; `None` where no loop runs.
pub fn called(symbols: &Symbols, frames: &[FrameId]) -> Option<usize> {
    let first = |known: &[Functions]| frames.iter().position(|&id| is_among(symbols.frame(id), known));
    first(CALLS).or_else(|| first(RUNS))
}

fn is_among(frame: &Frame, known: &[Functions]) -> bool {
    // `Handle._run` from 3.11 on, `_run` before.
    let function = frame.function.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
    known.iter().any(|(file, functions)| {
        frame.file.ends_with(file.as_bytes()) && functions.iter().any(|name| name.as_bytes() == function)
    })
}
