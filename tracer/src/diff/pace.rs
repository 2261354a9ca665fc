//! The pace of the second run's work, beside that of the first, and the figures that it does not explain.
//!
//! A loop whose one line takes twice as long turns less often: all other lines, reads and waits of it are fewer by the
//! second. Nobody changed those. Of all paces, the one is taken that leaves the fewest figures unexplained. Where several
//! do, it is the clock's own (1); but where the CPU time as a whole is as before, what has less of it made room for what has
//! more, and that is named.

use super::rows::ComparedRow;

/// How probable it may be that anything at all is named where nothing differs.
const CHANCE: f64 = 0.01;
/// A figure has to grow, or to shrink, by so much: less is what two runs of one program differ by on a busy machine.
const RATIO: f64 = 1.3;
/// Paces beyond these are no paces: the runs are of different things.
const PACES: std::ops::RangeInclusive<f64> = 0.1..=10.0;
/// Figures that a pace is looked for in: those of the most events.
const COMPARED: usize = 60;
/// Of fewer events there is no pace to see.
const ENOUGH: u64 = 30;

/// What was found.
#[derive(Debug)]
pub struct FittedPace {
    /// The pace.
    pub pace: f64,
    /// Figures that differ, by their index, and how probable that is.
    pub named: Vec<(usize, f64)>,
}

/// The pace that explains most.
pub fn fit(rows: &[ComparedRow]) -> FittedPace {
    let (mut best, makes_room) = (at(rows, 1.0), is_as_busy(rows));
    for pace in paces(rows) {
        let found = at(rows, pace);
        let (fewer, as_few) = (found.named.len() < best.named.len(), found.named.len() == best.named.len());
        let more_grown = grown(rows, &found) > grown(rows, &best);
        if fewer || (as_few && more_grown && (makes_room || best.pace != 1.0)) {
            best = found;
        }
    }
    let settled = at(rows, pooled(rows, &best));
    if settled.named.len() <= best.named.len() { settled } else { best }
}

/// Both runs took as much CPU time by the second, within a tenth.
fn is_as_busy(rows: &[ComparedRow]) -> bool {
    let busy =
        |side: usize| rows.iter().filter(|row| row.is_cpu()).map(|row| row.sides[side].rate()).sum::<f64>();
    let ratio = busy(1) / busy(0);
    (0.9..=1.1).contains(&ratio)
}

/// Each figure's own: it is right if that figure has not changed.
fn paces(rows: &[ComparedRow]) -> Vec<f64> {
    let mut many: Vec<_> =
        rows.iter().filter(|row| row.sides.iter().all(|side| side.count >= ENOUGH)).collect();
    many.sort_by_key(|row| std::cmp::Reverse(row.sides[0].count.min(row.sides[1].count)));
    let own = many.iter().take(COMPARED).map(|row| row.sides[1].rate() / row.sides[0].rate());
    own.filter(|pace| PACES.contains(pace)).collect()
}

fn at(rows: &[ComparedRow], pace: f64) -> FittedPace {
    let limit = CHANCE / rows.len().max(1) as f64;
    let differs = |(index, row): (usize, &ComparedRow)| {
        let p = row.chance(pace);
        (is_worth_a_word(row, pace) && p < limit).then_some((index, p))
    };
    FittedPace { pace, named: rows.iter().enumerate().filter_map(differs).collect() }
}

fn is_worth_a_word(row: &ComparedRow, pace: f64) -> bool {
    let (expected, found) = (row.sides[0].rate() * pace, row.sides[1].rate());
    let (less, more) = (expected.min(found), expected.max(found));
    more - less >= row.least() && more >= less * RATIO
}

/// Figures that have more than the pace explains.
fn grown(rows: &[ComparedRow], found: &FittedPace) -> usize {
    found.named.iter().filter(|(index, _)| rows[*index].excess(found.pace) > 0.0).count()
}

/// The clock's pace where that explains it; else that of all figures together that are not named, each weighing as the square
/// root of its events: one of a million calls says no more than what they were made for.
fn pooled(rows: &[ComparedRow], found: &FittedPace) -> f64 {
    if found.pace == 1.0 {
        return 1.0;
    }
    let same =
        rows.iter().enumerate().filter(|(index, _)| !found.named.iter().any(|(named, _)| named == index));
    let (mut sum, mut weights) = (0.0, 0.0);
    for (_, row) in same.filter(|(_, row)| row.sides.iter().all(|side| side.count >= ENOUGH)) {
        let weight = (row.sides[0].count.min(row.sides[1].count) as f64).sqrt();
        sum += weight * (row.sides[1].rate() / row.sides[0].rate()).ln();
        weights += weight;
    }
    if weights > 0.0 { (sum / weights).exp() } else { found.pace }
}
