//! Callers of a line: switches of which the line alone was read are shared out among the callers that were read.
//!
//! A reading by chance, one time in N, stands for N - 1 others: N may change within a run. What is shared out is exact, of
//! each thread, cause and line; which caller gets how much is an estimate. A caller has a part of the time by the time
//! of its own switches: a caller that waits for long is not one that waits often.

use std::collections::HashMap;

use tracer_common::switch::flag;

use super::switch_sum::SwitchSum;
use crate::event::{StackId, StackStatus, SwitchRow, Task};
use crate::symbols::{FrameId, Symbols};

/// Flags that say how much of a stack was read, and not why the thread left.
const HOW: u32 = flag::LEAF_ONLY | flag::THINNING;

/// All rows, after sharing out.
#[derive(Debug, Default)]
pub struct SharedOut {
    /// By callers, as far as those are known.
    pub rows: Vec<(SwitchRow, SwitchSum)>,
    /// The callers that got a part of each line's switches.
    parts: HashMap<ReadLine, Vec<(SwitchRow, u128)>>,
}

/// The switches of a thread at one line for one cause: the stack is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ReadLine {
    row: SwitchRow,
    leaf: Option<FrameId>,
}

/// Which stacks show a line's callers, the best first: at the same cause, of the same thread, of the process.
const KINDS: usize = 3;

impl ReadLine {
    fn new(key: &SwitchRow, symbols: &Symbols) -> Self {
        let row =
            SwitchRow { stack: StackId::NONE, status: StackStatus::Ok, flags: key.flags & !HOW, ..*key };
        Self { row, leaf: symbols.leaf(key.stack) }
    }

    fn kind(self, kind: usize) -> Self {
        let task = self.row.task;
        let row = match kind {
            0 => self.row,
            1 => SwitchRow { task, ..SwitchRow::default() },
            _ => SwitchRow { task: Task { tid: 0, ..task }, ..SwitchRow::default() },
        };
        Self { row, ..self }
    }
}

/// What was seen of one caller.
#[derive(Clone, Copy, Debug, Default)]
struct Caller {
    status: StackStatus,
    /// Of readings by chance, each as often as it stands for others.
    weighed: SwitchSum,
    readings: u64,
    squares: u64,
    /// Of all readings.
    seen: SwitchSum,
}

impl Caller {
    fn add(&mut self, key: &SwitchRow, sum: &SwitchSum) {
        self.status = key.status;
        self.seen = self.seen.plus(sum);
        let others = (1_u64 << ((key.flags & flag::THINNING) >> flag::THINNING_SHIFT)) - 1;
        if others > 0 {
            self.weighed = self.weighed.plus(&sum.times(others));
            self.readings += sum.count;
            self.squares += sum.count * others * others;
        }
    }
}

type Callers = HashMap<StackId, Caller>;

/// Whether a row's callers were left out.
pub fn is_alone(key: &SwitchRow) -> bool {
    !key.stack.is_none() && key.flags & flag::LEAF_ONLY != 0
}

/// Shares out, unless all callers were read.
pub fn share_out<'a>(
    rows: impl Iterator<Item = (&'a SwitchRow, &'a SwitchSum)>,
    symbols: &Symbols,
) -> SharedOut {
    let mut callers = HashMap::<ReadLine, Callers>::new();
    let mut alone = HashMap::<ReadLine, (SwitchRow, SwitchSum)>::new();
    let mut shared = SharedOut::default();
    for (key, sum) in rows {
        let line = ReadLine::new(key, symbols);
        if is_alone(key) && line.leaf.is_some() {
            let (_, whole) = alone.entry(line).or_insert((*key, SwitchSum::default()));
            *whole = whole.plus(sum);
            continue;
        }
        for line in (0..KINDS).filter(|_| line.leaf.is_some()).map(|kind| line.kind(kind)) {
            callers.entry(line).or_default().entry(key.stack).or_default().add(key, sum);
        }
        shared.rows.push((SwitchRow { flags: key.flags & !HOW, ..*key }, *sum));
    }
    for (line, (key, sum)) in alone {
        shared.add(line, &key, &sum, &callers);
    }
    shared
}

impl SharedOut {
    fn add(
        &mut self,
        line: ReadLine,
        key: &SwitchRow,
        whole: &SwitchSum,
        callers: &HashMap<ReadLine, Callers>,
    ) {
        let were_read = (0..KINDS).filter_map(|kind| callers.get(&line.kind(kind)));
        let by_chance = |callers: &&Callers| callers.values().any(|caller| caller.readings > 0);
        let Some(found) = were_read.clone().find(by_chance).or_else(|| were_read.clone().next()) else {
            let unknown = SwitchSum { estimated: whole.count, variance: whole.count.pow(2), ..*whole };
            self.rows.push((SwitchRow { flags: key.flags & !flag::THINNING, ..*key }, unknown));
            return;
        };
        let mut found: Vec<_> = found.iter().collect();
        found.sort_unstable_by_key(|(stack, _)| **stack);
        let is_by_chance = found.iter().any(|(_, caller)| caller.readings > 0);
        let weights: Vec<_> =
            found.iter().map(|(_, caller)| if is_by_chance { caller.weighed } else { caller.seen }).collect();
        let readings = if is_by_chance { Readings::new(&found) } else { Readings::NONE };
        let keys = found.iter().map(|(stack, caller)| SwitchRow {
            stack: **stack,
            status: caller.status,
            flags: line.row.flags,
            ..*key
        });
        let parts = whole.split(&weights);
        for (key, part) in keys.zip(parts) {
            if part.is_empty() {
                continue;
            }
            let variance = readings.variance(part.count, whole.count);
            self.parts.entry(line).or_default().push((key, part.count.into()));
            self.rows.push((key, SwitchSum { estimated: part.count, variance, ..part }));
        }
    }

    /// Shares out what is counted beside the switches of a row, as those were.
    pub fn parts(&self, row: &SwitchRow, count: u64, symbols: &Symbols) -> Vec<(SwitchRow, u64)> {
        let plain = SwitchRow { flags: row.flags & !flag::THINNING, ..*row };
        if !is_alone(row) {
            return vec![(plain, count)];
        }
        let Some(parts) = self.parts.get(&ReadLine::new(row, symbols)) else { return vec![(plain, count)] };
        let weights: Vec<_> = parts.iter().map(|(_, weight)| *weight).collect();
        parts.iter().map(|(key, _)| *key).zip(split(count, &weights)).filter(|(_, part)| *part > 0).collect()
    }
}

/// What the readings of a line's callers are worth, as so many that weigh the same.
struct Readings(f64);

impl Readings {
    /// None by chance: of which caller the others are is a guess.
    const NONE: Self = Self(1.0);

    /// Weights that differ say less than as many that do not (Kish).
    fn new(callers: &[(&StackId, &Caller)]) -> Self {
        let weight: u64 = callers.iter().map(|(_, caller)| caller.weighed.count).sum();
        let squares: u64 = callers.iter().map(|(_, caller)| caller.squares).sum();
        Self((weight as f64).powi(2) / (squares as f64).max(1.0))
    }

    /// Of a part of a whole, binomial; as if half a reading more had been at each side, so that what was never seen in a
    /// few readings is not said to be certain.
    fn variance(&self, part: u64, whole: u64) -> u64 {
        let share = (part as f64 / whole.max(1) as f64).mul_add(self.0, 0.5) / (self.0 + 1.0);
        ((whole as f64).powi(2) * share * (1.0 - share) / self.0.max(1.0)).round() as u64
    }
}

impl SwitchSum {
    /// Each figure by the same figure of the parts; by their counts where these have none, evenly without any.
    fn split(&self, weights: &[Self]) -> Vec<Self> {
        let counts: Vec<_> = weights.iter().map(|sum| u128::from(sum.count)).collect();
        let mut parts = vec![Self::default(); weights.len()];
        for figure in Self::FIGURES {
            let of = |sum: &Self| u128::from(*figure(&mut sum.clone()));
            let own: Vec<_> = weights.iter().map(of).collect();
            let whole = *figure(&mut self.clone());
            let weights = if own.iter().sum::<u128>() > 0 { &own } else { &counts };
            for (part, share) in parts.iter_mut().zip(split(whole, weights)) {
                *figure(part) = share;
            }
        }
        parts
    }
}

/// Whole numbers in proportion that add up to `whole`.
fn split(whole: u64, weights: &[u128]) -> Vec<u64> {
    let all: u128 = weights.iter().sum();
    let even = vec![1; weights.len()];
    let (weights, all) = if all == 0 { (&even[..], even.len() as u128) } else { (weights, all) };
    let mut before = 0;
    let mut given = 0;
    let part = |weight: &u128| {
        before += weight;
        let until = (u128::from(whole) * before / all) as u64;
        until - std::mem::replace(&mut given, until)
    };
    weights.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples::{symbols_of, task};

    const V: u32 = flag::VOLUNTARY;
    const A: u64 = 1;
    const B: u64 = 2;
    /// The same line as in these, its callers left out.
    const ALONE: u64 = 3;
    /// Another line.
    const ELSEWHERE: u64 = 4;

    fn symbols() -> Symbols {
        symbols_of(&[
            (A, &["read.py:1", "a.py:1"]),
            (B, &["read.py:1", "b.py:1"]),
            (ALONE, &["read.py:1"]),
            (ELSEWHERE, &["other.py:1"]),
        ])
    }

    fn row(stack: u64, how: u32, count: u64, off_cpu_ns: u64) -> (SwitchRow, SwitchSum) {
        let key =
            SwitchRow { task: task(7, 7), stack: StackId(stack), flags: V | how, ..SwitchRow::default() };
        (key, SwitchSum { count, off_cpu_ns, ..SwitchSum::default() })
    }

    fn by_chance(one_in: u32) -> u32 {
        one_in.ilog2() << flag::THINNING_SHIFT
    }

    fn shared(rows: &[(SwitchRow, SwitchSum)]) -> SharedOut {
        share_out(rows.iter().map(|(key, sum)| (key, sum)), &symbols())
    }

    fn sum_at(shared: &SharedOut, stack: u64) -> SwitchSum {
        let rows = shared.rows.iter().filter(|(key, _)| key.stack == StackId(stack));
        rows.fold(SwitchSum::default(), |all, (_, sum)| all.plus(sum))
    }

    #[test]
    fn a_line_is_shared_out_by_counts_and_time_by_time() {
        let alone = flag::LEAF_ONLY | by_chance(16);
        let shared = shared(&[
            row(A, by_chance(16), 70, 7_000),
            row(B, by_chance(16), 30, 63_000),
            row(ALONE, alone, 1_500, 1_000_000),
        ]);
        let (a, b) = (sum_at(&shared, A), sum_at(&shared, B));
        assert_eq!((a.count, b.count), (70 + 1_050, 30 + 450));
        assert_eq!((a.off_cpu_ns, b.off_cpu_ns), (7_000 + 100_000, 63_000 + 900_000));
        assert_eq!((a.estimated, sum_at(&shared, ALONE)), (1_050, SwitchSum::default()));
        // 1,500 * sqrt(0.7 * 0.3 / 100)
        assert!((68.0..70.0).contains(&(a.variance as f64).sqrt()), "{a:?}");
        assert!(shared.rows.iter().all(|(key, _)| key.flags == V), "{shared:?}");
    }

    #[test]
    fn a_reading_stands_for_those_that_were_left_out_when_it_was_made() {
        let shared = shared(&[
            row(A, 0, 5_000, 0), // while all were read
            row(A, by_chance(2), 100, 0),
            row(B, by_chance(128), 10, 0),
            row(ALONE, flag::LEAF_ONLY | by_chance(2), 100, 0),
            row(ALONE, flag::LEAF_ONLY | by_chance(128), 1_270, 0),
        ]);
        assert_eq!((sum_at(&shared, A).count, sum_at(&shared, B).count), (5_000 + 100 + 100, 10 + 1_270));
    }

    #[test]
    fn what_is_nearest_shows_the_callers() {
        let alone = row(ALONE, flag::LEAF_ONLY | by_chance(16), 100, 10);
        let other = |(key, sum): (SwitchRow, SwitchSum), tid, syscall| {
            (SwitchRow { task: task(7, tid), syscall: Some(syscall), ..key }, sum)
        };
        let (seen, read_by_chance) = (row(A, 0, 1, 0), row(B, by_chance(16), 1, 0));
        for (name, readings, stack) in [
            ("a reading by chance, rather than any", vec![seen, read_by_chance], B),
            ("any, without one by chance", vec![seen], A),
            ("one by chance for another cause, rather than any", vec![seen, other(read_by_chance, 7, 3)], B),
            ("another thread's", vec![other(seen, 8, 3), row(ELSEWHERE, by_chance(16), 1, 0)], A),
            ("none", vec![row(ELSEWHERE, by_chance(16), 1, 0)], ALONE),
        ] {
            let rows = [&readings[..], &[alone]].concat();
            let before: u64 = readings
                .iter()
                .filter(|(key, _)| key.stack == StackId(stack))
                .map(|(_, sum)| sum.count)
                .sum();
            let found = sum_at(&shared(&rows), stack);
            assert_eq!((found.count, found.estimated), (before + 100, 100), "{name}");
            assert!(found.variance > 0, "{name}");
        }
    }

    #[test]
    fn what_comes_beside_a_row_is_shared_out_as_its_switches() {
        let alone = row(ALONE, flag::LEAF_ONLY | by_chance(16), 100, 10);
        let shared = shared(&[row(A, by_chance(16), 3, 0), row(B, by_chance(16), 1, 0), alone]);
        let parts = shared.parts(&alone.0, 10, &symbols());
        let parts: Vec<_> = parts.iter().map(|(key, count)| (key.stack.0, key.flags, *count)).collect();
        assert_eq!(parts, [(A, V, 7), (B, V, 3)]);
        let (whole, _) = row(A, by_chance(16), 3, 0);
        assert_eq!(shared.parts(&whole, 5, &symbols()), [(SwitchRow { flags: V, ..whole }, 5)]);
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        for (whole, weights) in [(7, vec![1, 1, 1]), (5, vec![0, 0]), (0, vec![3]), (u64::MAX, vec![1, 2, 4])]
        {
            assert_eq!(split(whole, &weights).iter().sum::<u64>(), whole, "{weights:?}");
        }
    }

    /// Reads the callers of 10,000 switches, of which one had 70 in 100, one time in 64.
    #[test]
    fn the_error_holds_in_95_of_100_runs() {
        let mut random = 1_u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let held = (0..1_000).filter(|_| {
            let (mut readings, mut alone, mut truth) = ([0, 0], 0, 0);
            for _ in 0..10_000 {
                let is_other = usize::from(next(100) >= 70);
                truth += 1 - is_other as u64;
                if next(64) == 0 { readings[is_other] += 1 } else { alone += 1 }
            }
            let [a, b] = [A, B].map(|stack| row(stack, by_chance(64), readings[stack as usize - 1], 0));
            let a = sum_at(&shared(&[a, b, row(ALONE, flag::LEAF_ONLY | by_chance(64), alone, 0)]), A);
            a.count.abs_diff(truth) as f64 <= 1.96 * (a.variance as f64).sqrt()
        });
        let held = held.count();
        assert!((930..=975).contains(&held), "{held} of 1,000");
    }
}
