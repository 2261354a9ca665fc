//! Which process had a pid at some time, and which ones were above it.

use std::collections::HashMap;

use crate::analysis::traced::{ProcessLife, Traced};
use crate::event::{Nanos, Pid};

/// All traced processes by pid.
pub(super) struct KilledLives<'a> {
    pub(super) all: Vec<ProcessLife<'a>>,
    by_pid: HashMap<Pid, Vec<usize>>,
}

impl<'a> KilledLives<'a> {
    pub(super) fn new(traced: &'a Traced) -> Self {
        let all: Vec<_> = traced.lives().collect();
        let mut by_pid: HashMap<Pid, Vec<usize>> = HashMap::new();
        for (index, life) in all.iter().enumerate() {
            by_pid.entry(life.pid).or_default().push(index);
        }
        Self { all, by_pid }
    }

    /// The process that had a pid at some time.
    pub(super) fn at(&self, pid: Pid, at: Nanos) -> Option<&ProcessLife<'a>> {
        let lives = self.by_pid.get(&pid)?.iter().map(|&index| &self.all[index]);
        lives.filter(|life| life.born.is_none_or(|born| born <= at)).max_by_key(|life| life.born)
    }

    /// Parent, grandparent and so on.
    pub(super) fn ancestors<'s>(
        &'s self,
        life: &'s ProcessLife<'a>,
    ) -> impl Iterator<Item = &'s ProcessLife<'a>> {
        // The parents of those that lived before the window did so, too.
        let parent = |life: &&'s ProcessLife<'a>| self.at(life.ppid, life.born.unwrap_or(0));
        std::iter::successors(Some(life), parent).skip(1)
    }
}
