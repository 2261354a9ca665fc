//! Address spaces: which interpreter lives in which, and through which process it can be read.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::lives::LifeId;
use crate::event::{Pid, SpaceId};
use crate::python::Interpreter;
use crate::python::signals::Handlers;

/// Address spaces that nobody lives in any more, of which something may still be to be named.
const LEFT: usize = 1024;

/// What is known of the interpreters of traced processes.
#[derive(Default)]
pub struct Spaces {
    interpreters: HashMap<SpaceId, Arc<Interpreter>>,
    of_process: HashMap<Pid, Home>,
    /// Those that a process has left, oldest first.
    left: VecDeque<SpaceId>,
}

/// A process and an address space that it lives in: another one, if either is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Home {
    /// The address space.
    pub space: SpaceId,
    life: LifeId,
}

impl Spaces {
    /// A process lives in this address space, which holds this interpreter.
    pub fn insert(&mut self, pid: Pid, life: LifeId, space: SpaceId, interpreter: Arc<Interpreter>) {
        self.interpreters.insert(space, interpreter);
        self.of_process.insert(pid, Home { space, life });
    }

    /// This interpreter lives in this address space, whose process is not traced.
    pub fn know(&mut self, space: SpaceId, interpreter: Arc<Interpreter>) {
        self.interpreters.insert(space, interpreter);
        self.retire(space);
    }

    /// A child has a copy of its parent's address space.
    pub fn fork(&mut self, parent: Pid, child: Pid, life: LifeId) {
        if let Some(space) = self.space_of(parent) {
            self.of_process.insert(child, Home { space, life });
        }
    }

    /// A process has ended, or left its address space for another program's. What ran in it is still to be named.
    pub fn leave(&mut self, pid: Pid) {
        if let Some(home) = self.of_process.remove(&pid) {
            self.retire(home.space);
        }
    }

    /// Nobody may come back to ask for it.
    fn retire(&mut self, space: SpaceId) {
        self.left.push_back(space);
        if self.left.len() > LEFT
            && let Some(oldest) = self.left.pop_front()
            && self.process_in(oldest).is_none()
        {
            self.interpreters.remove(&oldest);
        }
    }

    /// The interpreter of an address space.
    #[must_use]
    pub fn interpreter(&self, space: SpaceId) -> Option<&Arc<Interpreter>> {
        self.interpreters.get(&space)
    }

    /// The interpreter of a process.
    #[must_use]
    pub fn of_process(&self, pid: Pid) -> Option<&Arc<Interpreter>> {
        self.interpreter(self.space_of(pid)?)
    }

    /// Where a process lives.
    #[must_use]
    pub fn home_of(&self, pid: Pid) -> Option<Home> {
        self.of_process.get(&pid).copied()
    }

    /// The address space of a process.
    #[must_use]
    pub fn space_of(&self, pid: Pid) -> Option<SpaceId> {
        self.home_of(pid).map(|home| home.space)
    }

    /// All processes, where they live, and their interpreters.
    pub fn processes(&self) -> impl Iterator<Item = (Pid, Home, &Arc<Interpreter>)> {
        self.of_process.iter().filter_map(|(&pid, &home)| Some((pid, home, self.interpreter(home.space)?)))
    }

    /// Some process that lives in an address space.
    #[must_use]
    pub fn process_in(&self, space: SpaceId) -> Option<Pid> {
        self.of_process.iter().find(|(_, home)| home.space == space).map(|(&pid, _)| pid)
    }

    /// Whether a signal's handler in C is CPython's own, which makes it call the object in its table of handlers: other
    /// C functions, of faulthandler for one, leave that table as it is.
    #[must_use]
    pub fn is_python(&self, pid: Pid, handler: u64, function: u64) -> bool {
        self.of_process(pid).is_some_and(|python| {
            let is_called = |handlers: &Handlers| function == 0 || handlers.is_called(function);
            python.text.iter().any(|range| range.contains(&handler))
                && python.handlers.as_ref().is_none_or(is_called)
        })
    }
}
