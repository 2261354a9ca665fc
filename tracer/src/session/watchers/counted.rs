//! What the collector of a process has counted in the window, and how often it collects.

use tracer_common::gc::{Collector, Counts, GENERATIONS};

use crate::event::{Event, GcCounted, Nanos, Pid};
use crate::python::collected::counts;
use crate::sys::memory::ProcessMemory;

/// Collections a second from which on breakpoints at each cost more than they show: one takes 7 to 19 µs more.
const OFTEN: f64 = 50.0;
/// And below which breakpoints are set again, after so many seconds.
const RARE: f64 = OFTEN / 2.0;
const CALM: u32 = 10;
/// So many at once are often before the second is over: of fewer, chance may have brought some close together.
const AT_ONCE: u64 = 12;

/// It collects often, or does so no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateChange {
    /// It has begun to.
    Often(u64),
    /// It does no more.
    Rare,
}

/// Of one process.
#[derive(Clone, Debug, Default)]
pub struct CollectionCounts {
    /// When it was seen first, and now; `None` where that could not be read.
    counts: Option<([Counts; GENERATIONS], [Counts; GENERATIONS])>,
    /// It was there when the window began.
    from_start: bool,
    /// Collections when the current second began.
    second: u64,
    often: bool,
    calm: u32,
}

impl CollectionCounts {
    /// From now on.
    pub fn begin(pid: Pid, collector: &Collector) -> Self {
        let counts = counts(&ProcessMemory::new(pid), collector).map(|counts| (counts, counts));
        Self { second: counts.map_or(0, |(_, now)| sum(&now)), counts, ..Self::default() }
    }

    /// The window begins now.
    pub fn restart(&mut self, pid: Pid, collector: &Collector) {
        *self = Self { from_start: true, ..Self::begin(pid, collector) };
    }

    /// Takes note of what has been counted by now, unless the process is gone.
    pub fn read(&mut self, pid: Pid, collector: &Collector) {
        if let Some((_, last)) = &mut self.counts
            && let Some(now) = counts(&ProcessMemory::new(pid), collector)
        {
            *last = now;
        }
    }

    /// A second or so has passed since this was asked last: whether it collects often now, or no longer.
    pub fn second(&mut self, wall_ns: Nanos) -> Option<RateChange> {
        let now = self.counts.map_or(0, |(_, last)| sum(&last));
        let collections = now.saturating_sub(std::mem::replace(&mut self.second, now));
        self.turn(collections as f64 * 1e9 / wall_ns.max(1) as f64)
    }

    /// So much of the current second has passed: whether it collects so often that there is no need to wait for the rest.
    pub fn briefly(&mut self, wall_ns: Nanos) -> Option<RateChange> {
        let now = self.counts.map_or(0, |(_, last)| sum(&last));
        let collections = now.saturating_sub(self.second);
        let rate = collections as f64 * 1e9 / wall_ns.max(1) as f64;
        if self.often || collections < AT_ONCE || rate <= OFTEN {
            return None;
        }
        self.turn(rate)
    }

    fn turn(&mut self, rate: f64) -> Option<RateChange> {
        self.calm = if rate < RARE { self.calm + 1 } else { 0 };
        let turns = if self.often { self.calm >= CALM } else { rate > OFTEN };
        if !turns {
            return None;
        }
        self.often = !self.often;
        Some(if self.often { RateChange::Often(rate as u64) } else { RateChange::Rare })
    }

    /// What it comes to; `ended` where the process is gone.
    pub fn events(&self, pid: Pid, ended: bool) -> impl Iterator<Item = Event> {
        let at_least = ended || !self.from_start;
        let of = move |(generation, (first, last)): (u32, (Counts, Counts))| {
            Event::GcCounted(GcCounted {
                pid,
                generation,
                collections: last.collections.saturating_sub(first.collections),
                collected: last.collected.saturating_sub(first.collected),
                at_least,
            })
        };
        let both = self.counts.into_iter().flat_map(|(first, last)| first.into_iter().zip(last));
        (0..).zip(both).map(of)
    }
}

fn sum(counts: &[Counts; GENERATIONS]) -> u64 {
    counts.iter().fold(0, |sum: u64, of| sum.wrapping_add(of.collections))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_collects_often_does_so_until_it_has_been_calm_for_a_while() {
        let mut counted = CollectionCounts::default();
        let turns: Vec<_> = [40.0, 60.0, 200.0, 30.0].into_iter().map(|rate| counted.turn(rate)).collect();
        assert_eq!(turns, [None, Some(RateChange::Often(60)), None, None]);
        let mut calm = |seconds| (0..seconds).filter_map(|_| counted.turn(1.0)).collect::<Vec<_>>();
        assert_eq!(calm(9), []);
        assert_eq!(calm(9), [RateChange::Rare]);
    }

    #[test]
    fn who_collects_very_often_is_noticed_at_once() {
        let of = |collections| {
            let mut counts = [Counts::default(); GENERATIONS];
            counts[0].collections = collections;
            Some((counts, counts))
        };
        let mut counted = CollectionCounts { counts: of(111), second: 100, ..CollectionCounts::default() };
        assert_eq!(counted.briefly(50_000_000), None, "eleven may be chance");
        counted.counts = of(112);
        assert_eq!(counted.briefly(250_000_000), None, "48 a second are not often");
        assert_eq!(counted.briefly(50_000_000), Some(RateChange::Often(240)));
        assert_eq!(counted.briefly(50_000_000), None, "it is known");
        assert_eq!(counted.second(1_000_000_000), None, "12 a second are few, for a while");
    }

    #[test]
    fn what_was_counted_before_and_what_could_not_be_read_does_not_count() {
        let of = |collections| [Counts { collections, collected: 2 * collections }; GENERATIONS];
        let counted = CollectionCounts {
            counts: Some((of(10), of(13))),
            from_start: true,
            ..CollectionCounts::default()
        };
        let reported = |counted: &CollectionCounts, ended| -> Vec<_> {
            let figures = |event| match event {
                Event::GcCounted(of) => (of.generation, of.collections, of.collected, of.at_least),
                _ => unreachable!("there are no others"),
            };
            counted.events(7, ended).map(figures).collect()
        };
        assert_eq!(reported(&counted, false), [(0, 3, 6, false), (1, 3, 6, false), (2, 3, 6, false)]);
        assert_eq!(reported(&counted, true)[0], (0, 3, 6, true));
        assert_eq!(reported(&CollectionCounts::default(), false), []);
    }
}
