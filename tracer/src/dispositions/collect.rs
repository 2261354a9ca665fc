//! One process, from `/proc` and its memory.

use tracer_common::handler::SIGNALS;

use super::callable;
use super::model::{ProcessSignals, Signal, ThreadSignals};
use crate::analysis::signal_name;
use crate::event::{Tid, is_in};
use crate::process::{Error, Masks};
use crate::python::Interpreter;
use crate::python::signals::Handlers;
use crate::redact;
use crate::report::{Disposition, Name};
use crate::roots::Root;
use crate::sys::memory::ProcessMemory;

/// Reads it.
pub fn process(root: &Root) -> Result<ProcessSignals, Error> {
    let process = &root.process;
    let masks: Vec<_> =
        process.threads()?.into_iter().filter_map(|tid| Some((tid, process.masks(tid).ok()?))).collect();
    let Some(&(_, of_process)) = masks.first() else {
        return Err(Error::NoSuchProcess { pid: process.pid });
    };
    let python = root.interpreter.as_deref().and_then(|python| Some((python, python.handlers.as_ref()?)));
    let memory = process.memory();
    let python = python.map(|(python, handlers)| PythonSignals::read(&memory, python, handlers));
    let signal = |number| signal(number, &of_process, &masks, python.as_ref());
    Ok(ProcessSignals {
        pid: process.pid,
        title: Name::from(redact::title(process.title().unwrap_or_default())),
        python: root.interpreter.as_ref().map(|python| Name::from(python.version.to_string())),
        wakeup_fd: python.as_ref().and_then(|python| python.wakeup_fd),
        signals: (1..=SIGNALS).filter_map(signal).collect(),
        threads: masks.iter().filter_map(|(tid, masks)| thread(root, *tid, masks)).collect(),
    })
}

/// What CPython has for its signals.
struct PythonSignals<'a> {
    memory: &'a ProcessMemory,
    interpreter: &'a Interpreter,
    handlers: &'a Handlers,
    /// By number; empty where the table is not made.
    functions: Vec<u64>,
    callable: u64,
    pending: Option<u64>,
    wakeup_fd: Option<i32>,
}

impl<'a> PythonSignals<'a> {
    fn read(memory: &'a ProcessMemory, interpreter: &'a Interpreter, handlers: &'a Handlers) -> Self {
        Self {
            memory,
            interpreter,
            handlers,
            functions: handlers.functions(memory).unwrap_or_default(),
            callable: handlers.callable(memory).unwrap_or_default(),
            pending: handlers.pending(memory),
            wakeup_fd: handlers.wakeup_fd(memory),
        }
    }
}

fn signal(
    number: u32,
    process: &Masks,
    threads: &[(Tid, Masks)],
    python: Option<&PythonSignals<'_>>,
) -> Option<Signal> {
    let called = python.filter(|python| is_in(process.caught & python.callable, number));
    let disposition = match () {
        () if is_in(process.ignored, number) => Disposition::Ignored,
        () if called.is_some() => Disposition::Python,
        () if is_in(process.caught, number) => Disposition::C,
        () => Disposition::Default,
    };
    let blocked = threads.iter().filter(|(_, masks)| is_in(masks.blocked, number));
    let blocked_by: Vec<_> = blocked.map(|(tid, _)| *tid).collect();
    let pending = is_in(process.shared_pending, number);
    let waits = threads.iter().any(|(_, masks)| is_in(masks.pending, number));
    let is_listed = disposition != Disposition::Default || pending || waits || !blocked_by.is_empty();
    is_listed.then(|| Signal {
        signal: signal_name(number),
        number,
        disposition,
        handler: called.and_then(|python| {
            let &object = python.functions.get(number as usize)?;
            Some(callable::handler(python.memory, python.interpreter, python.handlers, object))
        }),
        pending,
        handler_pending: called.and_then(|python| Some(is_in(python.pending?, number))),
        blocked_by,
    })
}

fn thread(root: &Root, tid: Tid, masks: &Masks) -> Option<ThreadSignals> {
    let is_listed = masks.blocked != 0 || masks.pending != 0;
    is_listed.then(|| ThreadSignals {
        tid,
        name: root.process.thread_name(tid).ok().map(Name::from),
        blocked: names(masks.blocked),
        pending: names(masks.pending),
    })
}

fn names(set: u64) -> Vec<String> {
    (1..=SIGNALS).filter(|&number| is_in(set, number)).map(signal_name).collect()
}
