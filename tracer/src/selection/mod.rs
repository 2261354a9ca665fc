//! Which processes are meant where no pid names them: by command line, unit, container, control group or user.

pub mod control_group;
mod newcomers;

use std::collections::HashSet;

use regex_lite::Regex;

pub use control_group::{container_of, unit_of};
pub use newcomers::Newcomers;

use crate::event::Pid;
use crate::process::{self, Process};
use crate::python::discover_briefly;
use crate::roots::Root;
use control_group::{is_at_or_below, names_container, names_unit};

/// Conditions on processes: one that meets all that are given is selected.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Its command line, arguments joined by spaces, has a match of this.
    pub name: Option<Regex>,
    /// It runs in this unit of systemd, `.service` unless it says otherwise.
    pub unit: Option<String>,
    /// It runs in the container of this id, the beginning of an id, or name.
    pub container: Option<String>,
    /// It is in this control group or one below it.
    pub cgroup: Option<String>,
    /// Its effective user.
    pub user: Option<u32>,
    /// Every process is meant.
    pub all: bool,
}

impl Selection {
    /// Whether nothing was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { name, unit, container, cgroup, user, all } = self;
        name.is_none() && unit.is_none() && container.is_none() && cgroup.is_none() && user.is_none() && !all
    }

    /// Whether the process meets every condition.
    #[must_use]
    pub fn matches(&self, process: &Process) -> bool {
        self.matches_user(process) && self.matches_groups(process) && self.matches_title(process)
    }

    fn matches_user(&self, process: &Process) -> bool {
        self.user.is_none_or(|user| process.effective_user() == Some(user))
    }

    fn matches_groups(&self, process: &Process) -> bool {
        if self.unit.is_none() && self.container.is_none() && self.cgroup.is_none() {
            return true;
        }
        let groups = process.control_groups();
        let some = |matches: fn(&[u8], &str) -> bool, wanted: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| groups.iter().any(|group| matches(group, wanted)))
        };
        some(names_unit, &self.unit)
            && some(names_container, &self.container)
            && some(is_at_or_below, &self.cgroup)
    }

    fn matches_title(&self, process: &Process) -> bool {
        let matches = |regex: &Regex| {
            process.title().is_ok_and(|title| regex.is_match(&String::from_utf8_lossy(&title)))
        };
        self.name.as_ref().is_none_or(matches)
    }

    /// The Python processes that are selected now. Where a name selects none, the processes of that name that have
    /// Python descendants: a shell script, a supervisor. `left_out` is given why a Python cannot be traced.
    #[must_use]
    pub fn pids(&self, mut left_out: impl FnMut(&process::Error)) -> Vec<Pid> {
        let (mut pythons, mut others) = (Vec::new(), Vec::new());
        for process in processes().filter(|process| self.matches(process)) {
            match discover_briefly(&process) {
                Ok(_) | Err(process::Error::NotInitialised { .. }) => pythons.push(process.pid),
                Err(process::Error::NotPython { .. }) => others.push(process.pid),
                Err(error) if error.is_gone() => {}
                Err(error) => left_out(&error),
            }
        }
        if pythons.is_empty() && self.name.is_some() {
            return heads_of_pythons(&others);
        }
        pythons
    }
}

/// Those with a Python among their descendants, but for our own ancestors: what started us has the name that was asked
/// for in its command line, too.
fn heads_of_pythons(pids: &[Pid]) -> Vec<Pid> {
    let own: HashSet<_> = ancestors(std::process::id()).collect();
    let others = pids.iter().copied().filter(|pid| !own.contains(pid));
    others.filter(|&pid| Root::open_families(&[pid], &mut |_| {}).is_ok()).collect()
}

fn ancestors(pid: Pid) -> impl Iterator<Item = Pid> {
    let parent = |&pid: &Pid| Some(Process::open(pid).ok()?.stat().ok()?.ppid.unsigned_abs());
    std::iter::successors(Some(pid), parent).skip(1).take_while(|&pid| pid != 0)
}

/// Every process of this machine that can be traced at all, but for ourselves.
pub fn processes() -> impl Iterator<Item = Process> {
    ids().into_iter().filter_map(|pid| Process::open(pid).ok())
}

/// The ids of every process of this machine, but for our own.
fn ids() -> Vec<Pid> {
    let own = std::process::id();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|&pid| pid != own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_must_meet_every_condition() {
        let own = Process::open(std::process::id()).expect("our own process");
        let title = String::from_utf8_lossy(&own.title().expect("a command line")).into_owned();
        let name = Regex::new(&regex_lite::escape(&title)).expect("escaped");
        let user = own.effective_user();
        let mine = Selection { name: Some(name), user, ..Selection::default() };
        assert!(mine.matches(&own) && !mine.is_empty());
        assert!(!Selection { user: user.map(|user| user + 1), ..mine.clone() }.matches(&own));
        assert!(!Selection { unit: Some("no such unit".into()), ..mine.clone() }.matches(&own));
        assert!(!Selection { name: Regex::new("no such line").ok(), ..mine }.matches(&own));
        assert!(Selection::default().is_empty());
    }

    #[test]
    fn our_ancestors_are_known_up_to_the_first() {
        let own = std::process::id();
        let found: Vec<_> = ancestors(own).collect();
        assert_eq!(found.first(), Some(&std::os::unix::process::parent_id()));
        assert!(!found.contains(&own));
    }
}
