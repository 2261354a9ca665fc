//! What the interpreter knows of its threads besides their frames: which thread states they have, which task they run.

use std::collections::HashMap;

use crate::event::{Bytes, Tid};
use crate::python::Interpreter;
use crate::python::asyncio::{Asyncio, RELEASE};
use crate::python::threads::{self, ThreadState};
use crate::roots::Root;
use crate::sys::aside::PATIENTLY;
use crate::sys::memory::ProcessMemory;

/// The thread states of one process, and what they lead to.
pub struct DumpContext<'a> {
    memory: ProcessMemory,
    interpreter: &'a Interpreter,
    states: HashMap<Tid, Vec<ThreadState>>,
    asyncio: Option<Asyncio>,
}

impl<'a> DumpContext<'a> {
    /// As it is now; `tids` are those of the process's own pid namespace.
    pub fn new(root: &'a Root, tids: &[Tid]) -> Option<Self> {
        let interpreter = root.interpreter.as_ref()?;
        let (of_root, tids) = (interpreter.clone(), tids.to_vec());
        let read = root.process.aside(PATIENTLY, move |process| {
            let memory = process.memory();
            let states = of_root.thread_states(&memory).unwrap_or_default();
            let has_asyncio = of_root.version.release >= RELEASE;
            let asyncio = has_asyncio.then(|| Asyncio::find(process)).flatten();
            (threads::by_tid(&memory, &states, &tids), asyncio)
        });
        let (states, asyncio) = read.unwrap_or_default();
        Some(Self { memory: root.process.memory(), interpreter, states, asyncio })
    }

    /// Whether a thread is one of those whose thread states these are.
    pub fn is_among(&self, tid: Tid, states: &[u64]) -> bool {
        self.states_of(tid).any(|state| states.contains(&state.address))
    }

    /// Name of the task that a thread is in the middle of.
    pub fn task(&self, tid: Tid) -> Option<Bytes> {
        let asyncio = self.asyncio?;
        let layout = &self.interpreter.layout;
        self.states_of(tid).find_map(|state| asyncio.task_name(&self.memory, layout, state.address))
    }

    fn states_of(&self, tid: Tid) -> impl Iterator<Item = &ThreadState> {
        self.states.get(&tid).into_iter().flatten()
    }
}
