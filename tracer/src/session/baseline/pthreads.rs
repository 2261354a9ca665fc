//! Threads as the interpreter names them: the GIL's holder is known by its `pthread_self()`, and the probes learn which
//! thread that is when it leaves its CPU for the first time. One that never does is registered here.

use std::collections::HashMap;
use std::io;

use super::threads::Threads;
use crate::attach::{Error, Probes};
use crate::event::Task;
use crate::python::threads;
use crate::sys::aside::PATIENTLY;

/// Registers the threads of all roots, where it will be asked for them.
///
/// # Errors
/// When the kernel does not list the tasks of our pid namespace.
pub fn register(probes: &mut Probes, threads: &[Threads<'_>]) -> Result<(), Error> {
    let known: Vec<_> = threads.iter().filter_map(known).flatten().collect();
    probes.introduce(&known)
}

/// `pthread_self()` of each thread that has a thread state.
fn known(threads: &Threads<'_>) -> Option<Vec<(Task, u64)>> {
    let root = threads.root;
    let interpreter = root.interpreter.as_ref().filter(|interpreter| interpreter.python.gil_holder != 0)?;
    let mut tids: HashMap<_, _> =
        threads.described.iter().map(|(tid, thread)| (thread.namespace_tid, *tid)).collect();
    if tids.iter().all(|(inside, tid)| inside == tid) {
        tids.extend(threads.unread.iter().map(|tid| (*tid, *tid)));
    }
    let (interpreter, names) = (interpreter.clone(), tids.keys().copied().collect::<Vec<_>>());
    let read = root.process.aside(PATIENTLY, move |process| {
        let memory = process.memory();
        let states = interpreter.thread_states(&memory)?;
        io::Result::Ok(threads::by_tid(&memory, &states, &names))
    });
    let by_tid = read.flatten().ok()?;
    let known = by_tid
        .into_iter()
        .filter_map(|(tid, states)| Some((threads.task(*tids.get(&tid)?), states.first()?.thread_id)));
    Some(known.collect())
}
