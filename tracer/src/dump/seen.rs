//! What was seen of a thread, in the words of the dump.

use std::rc::Rc;

use super::model::{State, Status};
use super::sampler::DumpSample;
use crate::analysis::syscall_name;
use crate::event::{StackId, StackStatus, Tid};
use crate::process::ThreadStatus;
use crate::process::comm::Comm;
use crate::process::sleep::SleepsIn;
use crate::report::Name;

/// Thread states that hold a GIL, see [`Interpreter::gil_holders`].
pub type GilHolders = Option<Rc<[u64]>>;

/// What was seen of a thread.
#[derive(Clone, Debug)]
pub struct SeenThread {
    /// Its name, unless it was gone.
    pub name: Option<Comm>,
    /// Its id in its own pid namespace.
    pub namespace_tid: Tid,
    /// What the scheduler said.
    pub state: State,
    /// Where it was blocked.
    pub sleeps_in: SleepsIn,
    /// That was a wait for the GIL.
    pub waits_for_gil: bool,
    /// Its stack, 0 where there was none.
    pub stack: StackId,
    /// How far that is to be believed.
    pub status: Status,
    /// Who held the GIL at that time.
    pub gil_holders: GilHolders,
}

impl SeenThread {
    /// On a CPU.
    pub fn running(
        tid: Tid,
        thread: Option<ThreadStatus>,
        sample: DumpSample,
        gil_holders: GilHolders,
    ) -> Self {
        Self {
            name: thread.map(|thread| thread.name),
            namespace_tid: thread.map_or(tid, |thread| thread.namespace_tid),
            state: State::Running,
            sleeps_in: SleepsIn::Nothing,
            waits_for_gil: false,
            stack: sample.stack,
            status: status_of(sample.status),
            gil_holders,
        }
    }

    /// Ended, its process not.
    pub fn ended(thread: ThreadStatus) -> Self {
        Self {
            name: Some(thread.name),
            namespace_tid: thread.namespace_tid,
            state: State::Zombie,
            sleeps_in: SleepsIn::Nothing,
            waits_for_gil: false,
            stack: StackId::NONE,
            status: Status::NoPythonFrame,
            gil_holders: None,
        }
    }

    /// Name of the system call that it was blocked in.
    pub fn syscall(&self) -> Option<Name> {
        let SleepsIn::Syscall { number, .. } = self.sleeps_in else { return None };
        let name = syscall_name(number.into()).map(Name::from);
        Some(name.unwrap_or_else(|| Name::from(format!("syscall {number}"))))
    }
}

/// Letters of proc_pid_stat(5). A thread that could run and was never on a CPU waits for one.
pub fn state_of(letter: char) -> State {
    match letter {
        'R' => State::Runnable,
        'D' => State::Disk,
        'T' | 't' => State::Stopped,
        'Z' | 'X' => State::Zombie,
        _ => State::Sleeping,
    }
}

/// From the status of a walk, and whether the stack was cut.
pub fn status_of((status, truncated): (StackStatus, bool)) -> Status {
    match status {
        _ if truncated => Status::Truncated,
        StackStatus::Ok => Status::Ok,
        StackStatus::NoPythonFrame => Status::NoPythonFrame,
        StackStatus::Faulted | StackStatus::Unresolved => Status::Faulted,
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::python::status;

    use super::*;

    #[test]
    fn letters_of_proc_become_states() {
        for (letter, expected) in [
            ('R', State::Runnable),
            ('S', State::Sleeping),
            ('I', State::Sleeping),
            ('D', State::Disk),
            ('T', State::Stopped),
            ('t', State::Stopped),
            ('Z', State::Zombie),
        ] {
            assert_eq!(state_of(letter), expected, "{letter}");
        }
    }

    #[test]
    fn a_cut_stack_is_distinguished_from_a_broken_one() {
        for (wire, expected) in [
            (status::OK, Status::Ok),
            (status::OK | status::TRUNCATED, Status::Truncated),
            (status::NO_PYTHON_FRAME, Status::NoPythonFrame),
            (status::FAULTED, Status::Faulted),
            (status::UNRESOLVED, Status::Faulted),
        ] {
            assert_eq!(status_of(StackStatus::from_wire(wire)), expected, "{wire}");
        }
    }
}
