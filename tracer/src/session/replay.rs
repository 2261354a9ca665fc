//! The report of a run that was recorded: the same events, folded in the same order, put together by the same function.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::finish::assemble;
use crate::analysis::Analysis;
use crate::attach::total;
use crate::event::Nanos;
use crate::recording::{Damage, Opening, ReadError, Reader, Record, Records, Standing};
use crate::report::{Report, Shed};
use crate::symbols::{FrameIds, Symbols};
use crate::units::{bytes, counted};

/// What a recording has told so far.
#[derive(Default)]
struct Told {
    opening: Option<Opening>,
    standing: Option<Standing>,
    symbols: Symbols,
    ids: FrameIds,
    analysis: Analysis,
}

/// A report, and what of its recording was missing.
#[derive(Debug)]
pub struct Replayed {
    /// The report.
    pub report: Report,
    /// What was skipped.
    pub damage: Damage,
    /// The recording ends before the run did.
    pub is_cut: bool,
}

/// Makes the report of a recording.
///
/// The analysis was made for what a kernel tells. Somebody may have made a recording by hand, and what stops at its
/// contradictions must not take those down who read it.
///
/// # Errors
/// When it cannot be read, has no block that is whole, or contradicts itself.
pub fn replay<R: Read>(recording: Reader<R>) -> Result<Replayed, ReadError> {
    let path = recording.path().clone();
    let replayed = catch_unwind(AssertUnwindSafe(|| fold(recording)));
    replayed.unwrap_or(Err(ReadError::Contradiction { path }))
}

fn fold<R: Read>(mut recording: Reader<R>) -> Result<Replayed, ReadError> {
    let mut told = Told::default();
    while let Some(block) = recording.block()? {
        for record in Records::of(&block) {
            match record.ok().filter(Record::is_possible) {
                Some(record) => told.take(record),
                None => recording.damage.records += 1,
            }
        }
    }
    let (Some(opening), Some(standing)) = (told.opening, told.standing) else {
        return Err(ReadError::Nothing { path: recording.path().clone() });
    };
    let mut standing = settled(standing);
    let (damage, is_cut) = (recording.damage, standing.ended.is_none());
    standing.shed.extend(missing(damage, is_cut, standing.at_ns.saturating_sub(opening.start_ns)));
    let report = assemble(&opening, &standing, told.analysis, &told.symbols);
    Ok(Replayed { report, damage, is_cut })
}

/// Of a run that had not ended, what was on its way when the counters were read is none of the recording: no hits, and
/// names and stacks that were sent and not read.
fn settled(mut standing: Standing) -> Standing {
    if standing.ended.is_some() {
        return standing;
    }
    for (_, of) in &mut standing.counters {
        of.hits = of.filtered + of.emitted + of.aggregated + of.lost();
    }
    let sum = total(&standing.counters);
    let known = standing.records.decoded + standing.records.corrupt + sum.records_lost;
    standing.unread.records = sum.records_tried.saturating_sub(known);
    standing
}

/// What a report says of a recording that is not whole.
fn missing(damage: Damage, is_cut: bool, at_ns: Nanos) -> impl Iterator<Item = Shed> {
    let shed = move |what: String, why: &str| Shed { at_ns, what, why: why.to_owned() };
    let cut =
        is_cut.then(|| shed("what came after".to_owned(), "the recording ends here, before the run did"));
    let skipped = format!("{} and {}", bytes(damage.bytes), counted(damage.records, "record"));
    let damaged = (!damage.is_none()).then(|| shed(skipped, "these of the recording are damaged"));
    cut.into_iter().chain(damaged)
}

impl Told {
    fn take(&mut self, record: Record) {
        match record {
            Record::Opening(opening) => self.opening = Some(opening.harmless()),
            Record::Symbol(entry) => self.symbols.take(entry, &mut self.ids),
            Record::Event(event) => self.analysis.fold(&event),
            Record::Standing(standing) => self.standing = Some(standing.harmless()),
        }
    }
}
