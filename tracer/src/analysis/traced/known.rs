//! What is known of one traced process, and the row of the report that it becomes.

use crate::analysis::leaving::Leaving;
use crate::analysis::lines;
use crate::analysis::signal_names::signal_name;
use crate::event::{Bytes, Making, Nanos, Pid, ProcessDescription, StackId, Task};
use crate::report::{self, Name, StartedHow};
use crate::symbols::Symbols;

/// A traced process.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownProcess {
    /// Order of appearance.
    pub(super) number: u64,
    pub(super) process: ProcessDescription,
    pub(super) forked: Option<Forked>,
    /// Its last command line, if it executed a program while tracing.
    pub(super) executed: Option<Executed>,
    pub(super) ended: Option<KnownEnd>,
    pub(super) leaving: Leaving,
    /// Which process a SIGCHLD notified of its end.
    pub(super) notified: Option<Pid>,
    pub(super) reaped: Option<(Nanos, Task)>,
    /// The process that must have waited for it, where that was not seen.
    pub(super) reaper: Option<Pid>,
}

/// How a process came about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forked {
    pub(super) at: Nanos,
    pub(super) stack: StackId,
    pub(super) how: Making,
}

/// A command line as it was executed.
#[derive(Clone, Debug)]
pub(super) struct Executed {
    pub(super) arguments: Vec<Bytes>,
    pub(super) cut: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownEnd {
    pub(super) at: Nanos,
    pub(super) wait_status: u32,
    pub(super) out_of_memory: bool,
}

impl KnownProcess {
    /// When it was born, if in the window.
    pub(super) fn born(&self) -> Option<Nanos> {
        self.forked.map(|forked| forked.at).or(self.process.born)
    }

    pub(super) fn row(&self, symbols: &Symbols) -> report::TargetProcess {
        let process = &self.process;
        let is_seen = |id: &u32| *id != 0; // groups may come from outside of our pid namespace
        let started_by = self.forked.and_then(|forked| lines::stack_of(symbols, forked.stack));
        report::TargetProcess {
            pid: process.pid,
            namespace_pid: process.namespace_pid,
            ppid: process.ppid,
            comm: Name::new(&process.comm),
            title: Name::new(&process.title),
            exe: process.exe.as_ref().map(Name::new),
            python: process.python.clone().map(Name::from),
            free_threaded: process.free_threaded,
            root: process.root,
            started_at: started_by.as_ref().and_then(|stack| lines::own_line(stack)).cloned(),
            started_by,
            at_ns: self.born(),
            ended_at_ns: self.ended.map(|ended| ended.at),
            how: self.forked.map(|forked| forked.how.into()),
            argv: self.executed.as_ref().map(|executed| executed.arguments.iter().map(Name::new).collect()),
            argv_cut: self.executed.as_ref().is_some_and(|executed| executed.cut),
            pgid: process.groups.map(|groups| groups.pgid).filter(is_seen),
            sid: process.groups.map(|groups| groups.sid).filter(is_seen),
            cgroup: process.cgroup.as_ref().filter(|group| !group.is_empty()).map(Name::new),
            exit_code: self.ended.and_then(KnownEnd::code),
            exit_signal: self.ended.and_then(KnownEnd::signal).map(signal_name),
            ended_in: self.ended.and_then(|ended| self.leaving.row(ended.signal().is_some(), symbols)),
            out_of_memory: self.ended.is_some_and(|ended| ended.out_of_memory),
            reaped_by: self.reaped.map(|(_, by)| by.pid).or(self.reaper),
            reaped_at_ns: self.reaped.map(|(at, _)| at),
        }
    }
}

impl From<Making> for StartedHow {
    fn from(how: Making) -> Self {
        match how {
            Making::Fork => Self::Fork,
            Making::Vfork => Self::Vfork,
            Making::PosixSpawn => Self::PosixSpawn,
            Making::Clone => Self::Clone,
        }
    }
}

impl KnownEnd {
    /// Its exit code, if it exited.
    fn code(self) -> Option<u32> {
        (self.wait_status & 0x7f == 0).then_some(self.wait_status >> 8 & 0xff)
    }

    /// The signal that killed it, if one did.
    fn signal(self) -> Option<u32> {
        Some(self.wait_status & 0x7f).filter(|signal| *signal != 0)
    }
}
