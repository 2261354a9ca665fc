//! The processes that were asked for, and those that descend from them when the window begins.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use procfs::process::Stat;
use tracer_common::target::{Target, flag};

use crate::clock::monotonic_ns;
use crate::event::{self, Groups, Pid, SpaceId};
use crate::process::{self, Process};
use crate::python::{Interpreter, discover, discover_briefly};
use crate::redact;

/// The dynamic linker has long mapped all that a program needs by then.
const YOUNG: Duration = Duration::from_secs(2);

/// A process that is traced from the start of the window on, and its interpreter.
pub struct Root {
    /// The process.
    pub process: Process,
    /// Whether it was asked for; else it descends from one that was.
    pub asked: bool,
    /// What runs in it, `None` where that is no Python, or not known yet.
    pub interpreter: Option<Arc<Interpreter>>,
    /// Whether its program is no Python.
    pub other: bool,
    /// Its address space.
    pub space: SpaceId,
}

impl Root {
    /// Opens each process, by its id or a thread's, and finds its interpreter; names those that are gone, if others
    /// are left.
    ///
    /// # Errors
    /// With the first that cannot be traced, or the last if all are gone.
    pub fn open_all(
        pids: &[Pid],
        gone: &mut dyn FnMut(&process::Error),
    ) -> Result<Vec<Self>, process::Error> {
        Self::open_each(pids, gone, Self::from_process)
    }

    /// The same with all their descendants. A process that is no Python will do if one of its descendants is: a shell,
    /// `timeout`, an init of a container.
    ///
    /// # Errors
    /// Likewise.
    pub fn open_families(
        pids: &[Pid],
        gone: &mut dyn FnMut(&process::Error),
    ) -> Result<Vec<Self>, process::Error> {
        let mut roots = Self::open_each(pids, gone, |process| {
            let pid = process.pid;
            Self::from_process(process).or_else(|error| match error {
                process::Error::NotPython { .. } => Self::head_of_pythons(pid)?.ok_or(error),
                _ => Err(error),
            })
        })?;
        Self::add_descendants(&mut roots);
        Ok(roots)
    }

    fn open_each(
        pids: &[Pid],
        gone: &mut dyn FnMut(&process::Error),
        of: impl Fn(Process) -> Result<Self, process::Error>,
    ) -> Result<Vec<Self>, process::Error> {
        let (mut roots, mut missing) = (Vec::<Self>::new(), Vec::new());
        for &pid in pids {
            match Self::open(pid, &roots, &of) {
                Ok(root) => roots.extend(root),
                Err(error) if error.is_gone() => missing.push(error),
                Err(error) => return Err(error),
            }
        }
        match missing.pop_if(|_| roots.is_empty()) {
            Some(error) => Err(error),
            None => {
                missing.iter().for_each(gone);
                Ok(roots)
            }
        }
    }

    /// `None` where it is among those that are known.
    fn open(
        pid: Pid,
        known: &[Self],
        of: impl Fn(Process) -> Result<Self, process::Error>,
    ) -> Result<Option<Self>, process::Error> {
        let process = Process::open(pid)?;
        let is_news = known.iter().all(|root| root.process.pid != process.pid);
        is_news.then(|| of(process)).transpose()
    }

    /// A process that is no Python, if one of its descendants is.
    fn head_of_pythons(pid: Pid) -> Result<Option<Self>, process::Error> {
        let roots = [Self { other: true, ..Self::before_exec(Process::open(pid)?) }];
        let is_python = |stat: &Stat| {
            Process::open(stat.pid.unsigned_abs()).and_then(|process| discover_briefly(&process)).is_ok()
        };
        let heads = descendants(&roots).iter().any(is_python);
        Ok(roots.into_iter().next().filter(|_| heads))
    }

    fn from_process(process: Process) -> Result<Self, process::Error> {
        let interpreter = Arc::new(discover_patiently(&process)?);
        Ok(Self { interpreter: Some(interpreter), ..Self::before_exec(process) })
    }

    /// A process that is about to execute its program.
    #[must_use]
    pub fn before_exec(process: Process) -> Self {
        // As an exec's is: a time at which no other process has got its address space.
        Self { process, asked: true, interpreter: None, other: false, space: SpaceId(monotonic_ns()) }
    }

    /// Adds the processes that descend from these, Python or not.
    fn add_descendants(roots: &mut Vec<Self>) {
        let living = descendants(roots).into_iter().filter(|stat| stat.state != 'Z');
        let found: Vec<_> =
            living.filter_map(|stat| Self::descendant(stat.pid.unsigned_abs()).ok()).collect();
        roots.extend(found);
    }

    /// One that has ended is no error: it is none of those that were asked for.
    fn descendant(pid: Pid) -> Result<Self, process::Error> {
        let process = Process::open(pid)?;
        let interpreter = discover_briefly(&process).ok().map(Arc::new);
        // A program that has just begun is probed again, until it is a Python or is none.
        let other = interpreter.is_none() && !is_young(&process);
        Ok(Self { asked: false, interpreter, other, ..Self::before_exec(process) })
    }

    /// What the kernel must know of it.
    #[must_use]
    pub fn target(&self, follow: bool) -> Target {
        match &self.interpreter {
            Some(interpreter) => known(interpreter, self.space, follow),
            None => {
                let other = if self.other { flag::NOT_PYTHON } else { 0 };
                Target { space: self.space.0, flags: other | follow_flag(follow), ..Target::default() }
            }
        }
    }

    /// What the report says of it.
    #[must_use]
    pub fn describe(&self) -> event::ProcessDescription {
        event::ProcessDescription { root: self.asked, ..describe(&self.process, self.interpreter.as_deref()) }
    }
}

/// Descendants that the roots have now, but for those that are roots themselves, and but for us, if one of them may
/// have started: parents come before their children.
#[must_use]
pub fn descendants(roots: &[Root]) -> Vec<Stat> {
    let Ok(processes) = procfs::process::all_processes() else { return Vec::new() };
    let mut others: Vec<_> = processes.flatten().filter_map(|process| process.stat().ok()).collect();
    let roots: HashSet<_> = roots.iter().map(|root| root.process.pid.cast_signed()).collect();
    let own = std::process::id().cast_signed();
    others.retain(|stat| !roots.contains(&stat.pid) && stat.pid != own);
    let (mut found, mut parents) = (Vec::new(), roots);
    while !parents.is_empty() {
        let (children, rest) = others.into_iter().partition(|stat| parents.contains(&stat.ppid));
        let children: Vec<Stat> = children;
        parents = children.iter().map(|stat| stat.pid).collect();
        found.extend(children);
        others = rest;
    }
    found
}

/// An interpreter that has just been started is not there yet: it is waited for.
fn discover_patiently(process: &Process) -> Result<Interpreter, process::Error> {
    const ATTEMPTS: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(10);
    let mut discovered = discover(process);
    for _ in 0..ATTEMPTS {
        match discovered {
            Err(process::Error::NotInitialised { .. }) => {}
            // Up to 3.10 the whole version is there only once the interpreter has put it together.
            Ok(ref interpreter) if interpreter.version.micro.is_none() && is_young(process) => {}
            Ok(ref interpreter) if interpreter.handlers_to_come && is_young(process) => {}
            Err(process::Error::NotPython { .. }) if is_young(process) => {}
            _ => break,
        }
        std::thread::sleep(PAUSE);
        discovered = discover(process);
    }
    let gone = process::Error::NoSuchProcess { pid: process.pid };
    // A process that ends meanwhile shows less and less of itself: it is not what it then looks like.
    discovered.map_err(|error| if process.is_alive() { error } else { gone })
}

/// Its program may not be loaded whole.
fn is_young(process: &Process) -> bool {
    process.age().is_ok_and(|age| age < YOUNG)
}

/// What the kernel must know of a process with an interpreter.
#[must_use]
pub fn known(interpreter: &Interpreter, space: SpaceId, follow: bool) -> Target {
    let flags = flag::PYTHON | follow_flag(follow);
    Target { space: space.0, flags, python: interpreter.python, ..Target::default() }
}

/// What makes the kernel trace its children too.
#[must_use]
pub fn follow_flag(follow: bool) -> u32 {
    if follow { flag::FOLLOW } else { 0 }
}

/// What the report says of a process, as it is now.
#[must_use]
pub fn describe(process: &Process, interpreter: Option<&Interpreter>) -> event::ProcessDescription {
    let stat = process.stat().ok();
    let groups = |stat: &Stat| Groups { pgid: stat.pgrp.unsigned_abs(), sid: stat.session.unsigned_abs() };
    event::ProcessDescription {
        pid: process.pid,
        namespace_pid: process.namespace_pid(),
        ppid: stat.as_ref().map_or(0, |stat| stat.ppid.unsigned_abs()),
        comm: process.comm().unwrap_or_default(),
        title: redact::title(process.title().unwrap_or_default()),
        exe: process.exe().map(redact::program),
        python: interpreter.map(|interpreter| interpreter.version.to_string()),
        free_threaded: interpreter.map(|interpreter| interpreter.free_threaded),
        gil: interpreter.is_some_and(|interpreter| interpreter.python.has_gil()),
        gil_holder: interpreter.is_some_and(|interpreter| interpreter.python.gil_holder != 0),
        root: false,
        groups: stat.as_ref().map(groups),
        cgroup: process.cgroup().map(redact::group),
        born: None,
    }
}
