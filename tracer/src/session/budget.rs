//! What tracing may cost the target before detail is shed, and what was shed.

use tracer_common::control::{SHED_READ_SITES, SHED_SWITCH_STACKS};

use crate::event::Nanos;
use crate::report::Shed;

/// Detail in the order in which it is given up.
const LADDER: [(Detail, &str); 3] = [
    (Detail::Calls, "entries of the evaluation function"),
    (Detail::SwitchStacks, "stacks at switches beyond the innermost frame"),
    (Detail::ReadSites, "call sites of reads"),
];

/// What can be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Counting entries of the evaluation function.
    Calls,
    /// Whole stacks at switches.
    SwitchStacks,
    /// Call sites of reads.
    ReadSites,
}

/// What is given up now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenUp(usize);

impl GivenUp {
    /// Whether this is.
    #[must_use]
    pub fn has(self, detail: Detail) -> bool {
        LADDER[..self.0].iter().any(|(given_up, _)| *given_up == detail)
    }

    /// As the probes know it.
    #[must_use]
    pub fn flags(self) -> u32 {
        let stacks = if self.has(Detail::SwitchStacks) { SHED_SWITCH_STACKS } else { 0 };
        stacks | if self.has(Detail::ReadSites) { SHED_READ_SITES } else { 0 }
    }
}
/// Seconds below half of the budget after which detail is taken back.
const CALM: u32 = 5;
/// A target that hardly runs cannot be slowed: its share is taken of this much at least.
const LEAST_SHARE: f64 = 0.1;

/// Compares what the probes cost with what the target used, second by second.
pub struct Budget {
    /// Share of the target's CPU time, `None` for no limit.
    limit: Option<f64>,
    least: usize,
    level: usize,
    calm: u32,
    shed: Vec<Shed>,
}

/// One second, more or less.
pub struct Second {
    /// End of it.
    pub at_ns: Nanos,
    /// Its length.
    pub wall_ns: Nanos,
    /// What the probes ran.
    pub probes_ns: Nanos,
    /// What the target ran.
    pub target_ns: Nanos,
}

impl Budget {
    /// With a limit, as a share; `calls` when entries of the evaluation function are counted.
    #[must_use]
    pub fn new(limit: Option<f64>, calls: bool) -> Self {
        // What is not counted cannot be given up.
        let least = usize::from(!calls);
        Self { limit, least, level: least, calm: 0, shed: Vec::new() }
    }

    /// Takes note of a second; what is given up from now on, if that changes.
    pub fn second(&mut self, second: &Second) -> Option<GivenUp> {
        let limit = self.limit?;
        let share =
            second.probes_ns as f64 / (second.target_ns as f64).max(second.wall_ns as f64 * LEAST_SHARE);
        if share > limit && self.level < LADDER.len() {
            self.calm = 0;
            return Some(self.give_up(second.at_ns, share, limit));
        }
        self.calm = if share < limit / 2.0 { self.calm + 1 } else { 0 };
        (self.calm >= CALM && self.level > self.least).then(|| self.take_back(second.at_ns))
    }

    fn give_up(&mut self, at_ns: Nanos, share: f64, limit: f64) -> GivenUp {
        let what = LADDER[self.level].1.to_owned();
        let why = format!(
            "the probes took {:.0}% of the target's time, over the budget of {:.0}%",
            share * 100.0,
            limit * 100.0
        );
        self.shed.push(Shed { at_ns, what, why });
        self.level += 1;
        GivenUp(self.level)
    }

    fn take_back(&mut self, at_ns: Nanos) -> GivenUp {
        self.calm = 0;
        self.level -= 1;
        let what = format!("{}: taken again", LADDER[self.level].1);
        self.shed.push(Shed { at_ns, what, why: "the load has fallen".to_owned() });
        GivenUp(self.level)
    }

    /// What was shed, and when.
    #[must_use]
    pub fn into_shed(self) -> Vec<Shed> {
        self.shed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(probes_ms: u64, target_ms: u64) -> Second {
        let (probes_ns, target_ns) = (probes_ms * 1_000_000, target_ms * 1_000_000);
        Second { at_ns: 7, wall_ns: 1_000_000_000, probes_ns, target_ns }
    }

    #[test]
    fn detail_goes_step_by_step_and_comes_back_when_it_is_calm() {
        let mut budget = Budget::new(Some(0.15), true);
        assert_eq!(budget.second(&second(100, 1000)), None);
        assert_eq!(budget.second(&second(200, 1000)), Some(GivenUp(1)));
        assert_eq!(budget.second(&second(200, 1000)), Some(GivenUp(2)));
        let calm: Vec<_> = (0..5).map(|_| budget.second(&second(10, 1000))).collect();
        assert_eq!(calm, [None, None, None, None, Some(GivenUp(1))]);
        assert_eq!(budget.into_shed().len(), 3);
        assert_eq!((GivenUp(1).flags(), GivenUp(2).flags()), (0, SHED_SWITCH_STACKS));
    }

    #[test]
    fn an_idle_target_is_not_slowed_by_little() {
        assert_eq!(Budget::new(Some(0.15), false).second(&second(10, 5)), None);
        assert_eq!(Budget::new(None, false).second(&second(900, 1000)), None);
    }
}
