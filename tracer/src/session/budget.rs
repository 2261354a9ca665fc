//! What tracing may cost the target before detail is thinned, then shed, and what was shed.

use tracer_common::control::{MOST_THINNING, SHED_READ_SITES};

use tracer_common::counters::Probe;

use super::part_time::PARTS;
use super::shed_list::ShedList;
use crate::event::Nanos;
use crate::report::Shed;

/// Detail in the order in which it is given up, each with the probe that it costs time in.
const LADDER: [(Detail, Probe, &str); 3] = [
    (Detail::Calls, Probe::Entry, "entries of the evaluation function, except 0.1 s in 2 s"),
    (Detail::ReadSites, Probe::Syscall, "call sites of reads"),
    (Detail::Reads, Probe::Syscall, READS_IN_BURSTS),
];
/// What is not seen while reads are watched in bursts.
pub const READS_IN_BURSTS: &str = "reads, except 0.1 s in 2 s";

/// Up to this share of the target's time reads are reported exactly, whatever the budget: each is counted, and has its line.
/// A probe takes about 0.5 us a read, a read of a small file in `/proc` 3 to 20 us: at 3 % a program that does nothing else
/// would lose what it is traced for.
const EXACT: f64 = 0.15;
/// What a run of the evaluation function's probe costs beside its program, in nanoseconds: the trap of a breakpoint.
/// Measured on Linux 6.18.
const TRAP_NS: Nanos = 1_000;
/// A probe that takes less than one part in so many of the cost is not what costs.
const MINOR: u64 = 4;
/// So many times the budget is far over it: there are no steps then, or large ones.
pub const FAR: f64 = 2.0;
/// Seconds below half of the budget after which detail is taken back; doubled each time it was in vain.
const CALM: u32 = 5;
const CALM_AT_MOST: u32 = 80;
/// A target that hardly runs cannot be slowed: its share is taken of this much at least.
const LEAST_SHARE: f64 = 0.1;

/// What can be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Counting entries of the evaluation function all the time.
    Calls,
    /// Call sites of reads.
    ReadSites,
    /// Watching reads all the time.
    Reads,
}

impl Detail {
    /// The share of the target's time above which it is given up.
    fn limit(self, budget: f64) -> f64 {
        match self {
            Self::Calls => budget,
            Self::ReadSites | Self::Reads => budget.max(EXACT),
        }
    }
}

/// What is given up now, in the order in which it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenUp(Vec<Detail>);

impl GivenUp {
    /// Whether this is.
    #[must_use]
    pub fn has(&self, detail: Detail) -> bool {
        self.0.contains(&detail)
    }

    /// Whether all is seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As the probes know it.
    #[must_use]
    pub fn flags(&self) -> u32 {
        if self.has(Detail::ReadSites) { SHED_READ_SITES } else { 0 }
    }
}

/// Compares what the probes cost with what the target used, second by second.
pub struct Budget {
    /// Share of the target's CPU time, `None` for no limit.
    limit: Option<f64>,
    thinning: u32,
    given_up: GivenUp,
    calm: u32,
    calm_wanted: u32,
    shed: ShedList,
}

/// What one probe did for the target in a while: its runs for other processes are theirs.
#[derive(Clone, Copy, Debug)]
pub struct BudgetWork {
    /// Which one.
    pub probe: Probe,
    /// How often its hook was reached.
    pub hits: u64,
    /// How often it ran for the target.
    pub runs: u64,
    /// For how long in all.
    pub run_ns: Nanos,
}

impl BudgetWork {
    /// What it took of the target's time.
    fn cost(&self) -> f64 {
        let beside = if self.probe == Probe::Entry { TRAP_NS } else { 0 };
        (self.run_ns + self.runs * beside) as f64
    }
}

/// One second, more or less.
pub struct Second {
    /// End of it.
    pub at_ns: Nanos,
    /// Its length.
    pub wall_ns: Nanos,
    /// What each probe did.
    pub probes: Vec<BudgetWork>,
    /// What the target ran, the probes' time included.
    pub target_ns: Nanos,
}

impl Second {
    /// The same of a whole CPU, if the target used less: a burst of reads that is soon over is worth being reported whole.
    fn share_of_a_cpu(&self) -> f64 {
        self.probes.iter().map(BudgetWork::cost).sum::<f64>() / self.target_ns.max(self.wall_ns) as f64
    }

    /// What the probes took of the target's time.
    fn share(&self, cost: impl Fn(&BudgetWork) -> f64) -> f64 {
        self.probes.iter().map(cost).sum::<f64>() / self.target_time()
    }

    /// What a share of the target's time is taken of, in nanoseconds.
    #[must_use]
    pub fn target_time(&self) -> f64 {
        (self.target_ns as f64).max(self.wall_ns as f64 * LEAST_SHARE)
    }

    /// How often a probe ran for others.
    #[must_use]
    pub fn filtered(&self, probe: Probe) -> u64 {
        let its = self.probes.iter().filter(|work| work.probe == probe);
        its.map(|work| work.hits.saturating_sub(work.runs)).sum()
    }

    /// How often these probes' hooks were reached.
    #[must_use]
    pub fn hits(&self, probes: &[Probe]) -> u64 {
        self.probes.iter().filter(|work| probes.contains(&work.probe)).map(|work| work.hits).sum()
    }

    /// Whether this probe is what costs, or one of few.
    fn is_spent_in(&self, probe: Probe) -> bool {
        let spent = self.share(|work| if work.probe == probe { work.cost() } else { 0.0 });
        MINOR as f64 * spent >= self.share(BudgetWork::cost)
    }
}

impl Budget {
    /// With a limit, as a share.
    #[must_use]
    pub fn new(limit: Option<f64>) -> Self {
        Self {
            limit,
            thinning: 0,
            given_up: GivenUp::default(),
            calm: 0,
            calm_wanted: CALM,
            shed: ShedList::default(),
        }
    }

    /// Callers are read one time in 2 to the power of this now.
    #[must_use]
    pub fn thinning(&self) -> u32 {
        self.thinning
    }

    /// What is given up now.
    #[must_use]
    pub fn given_up(&self) -> &GivenUp {
        &self.given_up
    }

    /// Takes note of a second; whether something was thinned, given up or taken back.
    pub fn second(&mut self, second: &Second) -> bool {
        let Some(limit) = self.limit else { return false };
        let share = second.share(BudgetWork::cost);
        if share > limit && (self.thin(second, share, limit) || self.give_up(second, share, limit)) {
            self.calm = 0;
            return true;
        }
        if self.given_up.is_empty() && self.thinning > 0 && share < limit / 2.0 {
            self.thinning -= 1; // walks cost twice as much then, which there is room for
            return true;
        }
        let limit = self.given_up.0.last().map_or(limit, |last| last.limit(limit));
        let is_calm = second.share(|work| self.cost_when_whole(work)) < limit / 2.0;
        self.calm = if is_calm { self.calm + 1 } else { 0 };
        self.calm >= self.calm_wanted && self.take_back(second.at_ns)
    }

    /// Takes note of less than a second, which matters only where it is far over the budget.
    pub fn check_briefly(&mut self, moment: &Second) -> bool {
        self.limit.is_some_and(|limit| {
            let share = moment.share(BudgetWork::cost);
            share > FAR * limit && (self.thin(moment, share, limit) || self.give_up(moment, share, limit))
        })
    }

    /// What a probe that runs in bursts would cost if it ran all the time.
    fn cost_when_whole(&self, work: &BudgetWork) -> f64 {
        let part = [Detail::Calls, Detail::Reads].into_iter().filter(|&detail| self.given_up.has(detail));
        let in_bursts = LADDER
            .iter()
            .any(|(detail, probe, _)| *probe == work.probe && part.clone().any(|part| part == *detail));
        work.cost() * if in_bursts { PARTS as f64 } else { 1.0 }
    }

    /// Has fewer callers read, where that is what costs and there is something left to save.
    fn thin(&mut self, second: &Second, share: f64, limit: f64) -> bool {
        if self.thinning == MOST_THINNING || !second.is_spent_in(Probe::Switch) {
            return false;
        }
        let step = if share > FAR * limit { MOST_THINNING } else { 1 };
        self.thinning = (self.thinning + step).min(MOST_THINNING);
        true
    }

    /// Gives up the next detail of what costs; all of it where that is far over its limit.
    fn give_up(&mut self, second: &Second, share: f64, budget: f64) -> bool {
        let is_far = |detail: Detail| share > FAR * detail.limit(budget);
        let keeps_reads = |detail: Detail| {
            let limit = detail.limit(budget) * if is_far(detail) { FAR } else { 1.0 };
            detail == Detail::Reads && second.share_of_a_cpu() <= limit
        };
        let mut due = LADDER.iter().filter(|(detail, probe, _)| {
            let is_over = share > detail.limit(budget) && second.is_spent_in(*probe);
            is_over && !self.given_up.has(*detail) && !keeps_reads(*detail)
        });
        let next = due.next();
        let now: Vec<_> = next.into_iter().chain(due.filter(|(detail, ..)| is_far(*detail))).collect();
        for (detail, _, what) in &now {
            let limit = detail.limit(budget);
            let (share, percent) = (100.0 * share, 100.0 * limit);
            let over = if limit > budget {
                format!("over the {percent:.0}% up to which reads are exact")
            } else {
                format!("over the budget of {percent:.0}%")
            };
            let why = format!("the probes took {share:.0}% of the target's time, {over}");
            if self.shed.rows().iter().any(|shed| shed.what == *what) {
                self.calm_wanted = (self.calm_wanted * 2).min(CALM_AT_MOST);
            }
            self.shed.push(Shed { at_ns: second.at_ns, what: (*what).to_owned(), why });
            self.given_up.0.push(*detail);
        }
        !now.is_empty()
    }

    fn take_back(&mut self, at_ns: Nanos) -> bool {
        self.calm = 0;
        let Some(last) = self.given_up.0.pop() else { return false };
        let what = LADDER.iter().find(|(detail, ..)| *detail == last).map_or("", |(_, _, what)| what);
        let what = format!("{what}: restored");
        self.shed.push(Shed { at_ns, what, why: "the load is lower again".to_owned() });
        true
    }

    /// What was shed, and when.
    #[must_use]
    pub fn shed(&self) -> &[Shed] {
        self.shed.rows()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(probe: Probe, probe_ms: u64, target_ms: u64) -> Second {
        worked(probe, 0, probe_ms, target_ms)
    }

    fn worked(probe: Probe, runs: u64, probe_ms: u64, target_ms: u64) -> Second {
        let work = BudgetWork { probe, hits: runs, runs, run_ns: probe_ms * 1_000_000 };
        Second { at_ns: 7, wall_ns: 1_000_000_000, probes: vec![work], target_ns: target_ms * 1_000_000 }
    }

    #[test]
    fn what_costs_is_given_up_and_comes_back_when_it_is_calm() {
        let mut budget = Budget::new(Some(0.15));
        let reads = |budget: &mut Budget, ms| budget.second(&second(Probe::Syscall, ms, 1000));
        assert!(!reads(&mut budget, 100));
        assert!(reads(&mut budget, 200));
        assert_eq!(budget.given_up().0, [Detail::ReadSites], "stacks at switches cost nothing here");
        assert!(!reads(&mut budget, 140), "the counts of reads stay whole");
        assert!(reads(&mut budget, 160));
        assert_eq!(budget.given_up().0, [Detail::ReadSites, Detail::Reads]);
        assert!(!reads(&mut budget, 700), "there is nothing left to give up");
        assert!((0..9).all(|_| !reads(&mut budget, 10)), "so much in bursts would be too much");
        let calm: Vec<_> = (0..5).map(|_| reads(&mut budget, 2)).collect();
        assert_eq!(calm, [false, false, false, false, true]);
        assert_eq!(budget.given_up().flags(), SHED_READ_SITES);
        assert_eq!(budget.shed().len(), 3);
    }

    #[test]
    fn far_over_the_budget_there_is_no_time_for_steps() {
        let mut budget = Budget::new(Some(0.15));
        assert!(budget.second(&second(Probe::Syscall, 700, 1000)));
        assert_eq!(budget.given_up().0, [Detail::ReadSites, Detail::Reads]);
    }

    #[test]
    fn a_burst_of_reads_is_counted_whole() {
        let mut budget = Budget::new(Some(0.15));
        assert!(budget.check_briefly(&second(Probe::Syscall, 200, 300)));
        assert_eq!(budget.given_up().0, [Detail::ReadSites]);
        assert!(budget.check_briefly(&second(Probe::Syscall, 310, 400)));
        assert_eq!(budget.given_up().0, [Detail::ReadSites, Detail::Reads]);
    }

    #[test]
    fn a_short_measurement_shows_only_what_is_far_over_the_budget() {
        let mut budget = Budget::new(Some(0.15));
        assert!(!budget.check_briefly(&second(Probe::Syscall, 290, 1000)));
        assert!(budget.check_briefly(&second(Probe::Syscall, 310, 1000)));
    }

    #[test]
    fn what_was_taken_back_in_vain_stays_away_for_longer() {
        let mut budget = Budget::new(Some(0.15));
        let mut spans = Vec::new();
        for _ in 0..3 {
            assert!(budget.second(&worked(Probe::Entry, 0, 400, 1000)));
            spans.push((1..).find(|_| budget.second(&worked(Probe::Entry, 0, 1, 1000))).unwrap());
        }
        assert_eq!(spans, [5, 10, 20]);
    }

    #[test]
    fn callers_are_read_less_often_before_anything_is_given_up() {
        let mut budget = Budget::new(Some(0.03));
        let switches = |budget: &mut Budget, ms| budget.second(&second(Probe::Switch, ms, 1000));
        assert!(!switches(&mut budget, 29));
        assert_eq!(budget.thinning(), 0);
        assert!(switches(&mut budget, 40));
        assert_eq!(budget.thinning(), 1);
        assert!(!switches(&mut budget, 16), "one in one could be too much");
        assert!(budget.check_briefly(&second(Probe::Switch, 61, 1000)));
        assert_eq!(budget.thinning(), MOST_THINNING);
        while switches(&mut budget, 40) {}
        assert_eq!((budget.thinning(), budget.given_up().is_empty()), (MOST_THINNING, true));
        let calm = (1..).find(|_| !switches(&mut budget, 14));
        assert_eq!((calm, budget.thinning()), (Some(1 + MOST_THINNING), 0), "it comes back by halves");
        assert_eq!(budget.shed(), []);
    }

    #[test]
    fn reads_are_not_cheaper_for_fewer_callers() {
        let mut budget = Budget::new(Some(0.03));
        assert!(!budget.second(&second(Probe::Syscall, 140, 1000)), "they stay exact");
        assert!(budget.second(&second(Probe::Syscall, 160, 1000)));
        assert_eq!((budget.thinning(), budget.given_up().0.clone()), (0, vec![Detail::ReadSites]));
        let calm = (1..).find(|_| budget.second(&second(Probe::Syscall, 60, 1000)));
        assert_eq!(calm, Some(CALM), "it comes back where there is room for it");
    }

    #[test]
    fn a_trap_costs_more_than_its_program() {
        let runs = |runs| worked(Probe::Entry, runs, 0, 1000);
        assert!(!Budget::new(Some(0.15)).second(&runs(100_000)));
        assert!(Budget::new(Some(0.15)).second(&runs(200_000)));
    }

    #[test]
    fn an_idle_target_is_not_slowed_by_little() {
        assert!(!Budget::new(Some(0.15)).second(&second(Probe::Switch, 10, 5)));
        assert!(!Budget::new(None).second(&second(Probe::Switch, 900, 1000)));
    }
}
