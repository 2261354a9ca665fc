//! Processes: what is known of them, and how they begin and end.

use serde::{Deserialize, Serialize};

use super::{Bytes, FileId, Nanos, Pid, StackId, Task};

/// What is known of a traced process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessDescription {
    /// Process.
    pub pid: Pid,
    /// As its own pid namespace numbers it, where that is another number.
    pub namespace_pid: Option<Pid>,
    /// Its parent.
    pub ppid: Pid,
    /// Name of its main thread.
    pub comm: Bytes,
    /// Its command line, arguments joined by spaces, as it stands in its memory now.
    pub title: Bytes,
    /// What it executes.
    pub exe: Option<Bytes>,
    /// CPython's version, where it is one.
    pub python: Option<String>,
    /// A build without GIL.
    pub free_threaded: Option<bool>,
    /// Waits for its GIL are distinguished from others.
    pub gil: bool,
    /// It is seen who holds it.
    pub gil_holder: bool,
    /// It was asked for.
    pub root: bool,
    /// Its process group and session.
    pub groups: Option<Groups>,
    /// Its control group, as `/proc/PID/cgroup` has it; empty once it turns out that what was taken for it may be another's.
    pub cgroup: Option<Bytes>,
    /// When it was started, where that was in the window and nobody saw the fork: exact to a hundredth of a second.
    pub born: Option<Nanos>,
}

/// What a process shares with others: credentials(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    /// Process group.
    pub pgid: Pid,
    /// Session.
    pub sid: Pid,
}

/// A task was born.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fork {
    /// When.
    pub at: Nanos,
    /// Who made it.
    pub parent: Task,
    /// The parent thread's name.
    pub comm: Bytes,
    /// The new task: a thread when its process is the parent's.
    pub child: Task,
    /// Its process, as its own pid namespace numbers it.
    pub own_pid: Pid,
    /// Where the parent was.
    pub stack: StackId,
    /// The child is traced.
    pub followed: bool,
    /// By what kind of call.
    pub how: Making,
    /// What the child inherits.
    pub groups: Groups,
}

/// How a process was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Making {
    /// It has a copy of its parent's memory.
    Fork,
    /// It has its parent's memory until it executes a program; the parent's thread waits.
    Vfork,
    /// The same, by the C library's `posix_spawn`.
    PosixSpawn,
    /// Otherwise.
    Clone,
}

/// A process runs another program now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exec {
    /// When.
    pub at: Nanos,
    /// Its main thread.
    pub task: Task,
    /// Its name from here on.
    pub comm: Bytes,
    /// What it executes, as it was called.
    pub path: Bytes,
    /// Its command line, as far as it was kept.
    pub arguments: Vec<Bytes>,
    /// The command line is longer.
    pub cut: bool,
    /// Where it belongs.
    pub groups: Groups,
}

impl Exec {
    /// The command line in one.
    #[must_use]
    pub fn title(&self) -> Bytes {
        self.arguments.join(&b' ').into()
    }
}

impl Fork {
    /// A process was made, not a thread.
    #[must_use]
    pub fn is_process(&self) -> bool {
        self.child.pid != self.parent.pid
    }

    /// The child's process as its own pid namespace numbers it, where that is another number.
    #[must_use]
    pub fn namespace_pid(&self) -> Option<Pid> {
        (self.own_pid != self.child.pid).then_some(self.own_pid)
    }
}

/// A thread ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// When.
    pub at: Nanos,
    /// Which.
    pub task: Task,
    /// As wait(2) has it.
    pub wait_status: u32,
    /// The whole process ended.
    pub last_thread: bool,
    /// Its parent at this time.
    pub parent: Pid,
    /// Its name.
    pub comm: Bytes,
    /// The kernel chose it because memory ran out.
    pub out_of_memory: bool,
    /// Where it belonged.
    pub groups: Groups,
    /// CPU time of the thread.
    pub cpu: Nanos,
    /// Signals that wait for the thread, never to be delivered. Bit N - 1 is set for signal N.
    pub pending: u64,
    /// Those that wait for any thread of the process.
    pub pending_shared: u64,
    /// Where it was, if it is the main thread or called `exit_group`; 0 where that is not known.
    pub stack: StackId,
    /// The file that `syscall` is about, 0 for none.
    pub object: FileId,
    /// The system call that it was asleep in, or `exit_group`.
    pub syscall: Option<u32>,
}
