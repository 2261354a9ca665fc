//! Threads as the interpreter names them: who holds the GIL is told by `pthread_self()`, and the probes learn whose
//! that is when the thread leaves its CPU for the first time. One that never does is told to them here.

use std::collections::HashMap;

use super::roots::Root;
use crate::attach::{Error, Probes};
use crate::event::{Task, Tid};
use crate::target::threads;

/// Tells the kernel the threads of all roots, where it will be asked for them.
///
/// # Errors
/// When the kernel does not list the tasks of our pid namespace.
pub fn tell(probes: &mut Probes, roots: &[Root]) -> Result<(), Error> {
    let threads: Vec<_> = roots.iter().filter_map(threads_of).flatten().collect();
    probes.introduce(&threads)
}

/// `pthread_self()` of each thread that has a thread state.
fn threads_of(root: &Root) -> Option<Vec<(Task, u64)>> {
    let interpreter = root.interpreter.as_ref().filter(|interpreter| interpreter.python.gil_holder != 0)?;
    let memory = root.process.memory();
    let states = interpreter.thread_states(&memory).ok()?;
    let in_namespace = |tid: &Tid| root.process.thread(*tid).ok().map(|thread| thread.namespace_tid);
    let tids: HashMap<_, _> =
        root.process.threads().ok()?.into_iter().filter_map(|tid| Some((in_namespace(&tid)?, tid))).collect();
    let names: Vec<_> = tids.keys().copied().collect();
    let by_tid = threads::by_tid(&memory, &states, &names);
    let known = by_tid.into_iter().filter_map(|(tid, states)| {
        let task = Task { pid: root.process.pid, tid: *tids.get(&tid)? };
        Some((task, states.first()?.thread_id))
    });
    Some(known.collect())
}
