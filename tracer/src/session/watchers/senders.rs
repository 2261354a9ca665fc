//! Pythons beside the targets, which may well send these signals: their parents, and the processes of their sessions.
//! They are not traced; where they are when they send one is all that is reported of them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use procfs::{Current, LoadAverage};

use super::{BreakpointCost, Watcher, WatcherContext};
use crate::attach::{Error, Probes, Senders};
use crate::clock::monotonic_ns;
use crate::event::{Pid, SpaceId};
use crate::process::Process;
use crate::python::discover_briefly;
use crate::roots::{Root, known};

/// Those that are known, and those that are still to be probed.
pub struct SenderWatcher {
    map: Senders,
    parents: HashSet<Pid>,
    sessions: HashSet<i32>,
    seen: HashSet<Pid>,
    candidates: VecDeque<Pid>,
    /// Whether `/proc` has been listed.
    listed: bool,
    /// The last that was born when it was listed last.
    newest: Option<u32>,
    known: HashMap<Pid, Process>,
}

impl SenderWatcher {
    /// Of these targets.
    ///
    /// # Errors
    /// When the map has been taken already.
    pub fn new(probes: &mut Probes, roots: &[Root]) -> Result<Self, Error> {
        let stats: Vec<_> = roots.iter().filter_map(|root| root.process.stat().ok()).collect();
        Ok(Self {
            map: Senders::new(probes)?,
            parents: stats.iter().map(|stat| stat.ppid.unsigned_abs()).collect(),
            sessions: stats.iter().map(|stat| stat.session).collect(),
            seen: [std::process::id()].into_iter().chain(roots.iter().map(|root| root.process.pid)).collect(),
            candidates: VecDeque::new(),
            listed: false,
            newest: None,
            known: HashMap::new(),
        })
    }

    /// Takes note of processes that have come, parents first, and forgets those that have gone.
    fn follow(&mut self) {
        for (pid, _) in self.known.extract_if(|_, process| !process.is_alive()) {
            self.map.forget(pid);
        }
        let newest = LoadAverage::current().ok().map(|load| load.latest_pid);
        if newest.is_some() && std::mem::replace(&mut self.newest, newest) == newest {
            return; // no process has come
        }
        let Ok(entries) = std::fs::read_dir("/proc") else { return };
        // By their names alone: a host may have thousands, and this is done every second.
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<Pid>().ok());
        let pids: HashSet<_> = pids.collect();
        self.seen.retain(|pid| pids.contains(pid));
        for pid in pids {
            if self.seen.insert(pid) && self.is_near(pid) {
                self.candidates.push_back(pid);
            }
        }
        self.candidates.make_contiguous().sort_by_key(|pid| !self.parents.contains(pid));
    }

    fn is_near(&self, pid: Pid) -> bool {
        let stat = || procfs::process::Process::new(pid.cast_signed()).ok()?.stat().ok();
        self.parents.contains(&pid) || stat().is_some_and(|stat| self.sessions.contains(&stat.session))
    }
}

impl Watcher for SenderWatcher {
    fn pass_second(&mut self, _: &mut WatcherContext<'_>, _: &BreakpointCost<'_>) {
        self.follow();
    }

    /// Probes one of them: that takes some milliseconds, in which others want their turn.
    fn poll(&mut self, context: &mut WatcherContext<'_>) -> Result<(), Error> {
        if !std::mem::replace(&mut self.listed, true) {
            self.follow();
        }
        let Some(pid) = self.candidates.pop_front() else { return Ok(()) };
        if self.map.is_full() || context.probes.target(pid)?.is_some() {
            return Ok(());
        }
        let Ok(process) = Process::open(pid) else { return Ok(()) };
        let Ok(interpreter) = discover_briefly(&process) else { return Ok(()) };
        let space = SpaceId(monotonic_ns()); // as an exec's is: no other has it
        self.map.know(context.probes, pid, &known(&interpreter, space, false))?;
        context.spaces.know(space, Arc::new(interpreter));
        self.known.insert(pid, process);
        Ok(())
    }
}
