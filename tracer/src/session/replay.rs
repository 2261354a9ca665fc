//! The report of a run that was recorded: the same events, folded in the same order, put together by the same function. Of a
//! part of its time, or of some of its rows, it is what a run of these alone would have shown, as far as that is known.

mod before;
mod choice;
mod part;
mod range;

use std::collections::HashMap;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use choice::Choice;
pub use range::Range;

use super::finish::assemble;
use crate::analysis::Analysis;
use crate::attach::total;
use crate::event::{Bytes, Event, Nanos, Task};
use crate::recording::{Damage, Opening, ReadError, Reader, Record, Records, Standing};
use crate::report::{Bounded, Report, Shed};
use crate::symbols::{FrameIds, Symbols};
use crate::units::{bytes, counted, duration};
use part::Part;

/// Names of threads that are kept, to choose by: more than a machine has threads.
const THREADS: usize = 1 << 20;

/// What of a recording is wanted: all, unless it says otherwise.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Which part of its time.
    pub range: Range,
    /// Whose rows.
    pub choice: Choice,
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
    /// Rows and other events of what was chosen.
    pub rows: u64,
}

/// What a recording has told so far.
struct Told<'a> {
    view: &'a View,
    opening: Option<Opening>,
    /// How the run stood last.
    standing: Option<Standing>,
    symbols: Symbols,
    ids: FrameIds,
    names: HashMap<Task, Bytes>,
    analysis: Analysis,
    part: Part,
    rows: u64,
}

/// Makes the report of a recording.
///
/// The analysis was made for what a kernel tells. Somebody may have made a recording by hand, and what stops at its
/// contradictions must not take those down who read it.
///
/// # Errors
/// When it cannot be read, has no block that is whole, contradicts itself, or ends before the range begins.
pub fn replay<R: Read>(recording: Reader<R>, view: &View) -> Result<Replayed, ReadError> {
    let path = recording.path().clone();
    let replayed = catch_unwind(AssertUnwindSafe(|| fold(recording, view)));
    replayed.unwrap_or(Err(ReadError::Contradiction { path }))
}

fn fold<R: Read>(mut recording: Reader<R>, view: &View) -> Result<Replayed, ReadError> {
    let mut told = Told::new(view);
    'recording: while let Some(block) = recording.block()? {
        for record in Records::of(&block) {
            match record.ok().filter(Record::is_possible) {
                Some(record) => told.take(record),
                None => recording.damage.records += 1,
            }
            if told.part.is_over() {
                break 'recording;
            }
        }
    }
    let path = || recording.path().clone();
    let (Some(opening), Some(standing)) = (told.opening, told.standing) else {
        return Err(ReadError::Nothing { path: path() });
    };
    if !told.part.has_begun() {
        let lasted = standing.at_ns.saturating_sub(opening.start_ns);
        return Err(ReadError::Shorter { path: path(), lasted: duration(lasted) });
    }
    let (damage, is_cut) = (recording.damage, standing.ended.is_none() && !told.part.is_over());
    let (opening, mut standing) = told.part.window(opening, settled(standing));
    let lasted = standing.at_ns.saturating_sub(opening.start_ns);
    standing.shed.extend(missing(damage, is_cut, lasted));
    let mut report = assemble(&opening, &standing, told.analysis, &told.symbols);
    if view.choice.is_asked() {
        report.findings = Bounded::default(); // they compare with what all of them did
        report.window.chosen = view.choice.words();
    }
    Ok(Replayed { report, damage, is_cut, rows: told.rows })
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

impl<'a> Told<'a> {
    fn new(view: &'a View) -> Self {
        Self {
            view,
            opening: None,
            standing: None,
            symbols: Symbols::default(),
            ids: FrameIds::default(),
            names: HashMap::new(),
            analysis: Analysis::default(),
            part: Part::new(view.range),
            rows: 0,
        }
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Opening(opening) => self.opening = Some(opening.harmless()),
            Record::Symbol(entry) => self.symbols.take(entry, &mut self.ids),
            Record::Event(event) => self.event(event),
            Record::Standing(standing) => {
                let start_ns = self.opening.as_ref().map_or(0, |opening| opening.start_ns);
                if let Some(before) = self.part.stand(&standing, start_ns) {
                    before.into_events().for_each(|event| self.fold(&event));
                }
                self.standing = Some(standing.harmless());
            }
        }
    }

    fn event(&mut self, event: Event) {
        if let Event::ThreadName { task, comm } = &event
            && (self.names.len() < THREADS || self.names.contains_key(task))
        {
            self.names.insert(*task, comm.clone());
        }
        if let Some(event) = self.part.shifted(event) {
            self.fold(&event);
        }
    }

    /// The kernel's counts are of whole threads and whole lives.
    fn fold(&mut self, event: &Event) {
        let is_count = matches!(event, Event::KernelSwitches { .. } | Event::KernelSwitchesBefore { .. });
        if is_count && (self.part.is_asked() || self.view.choice.is_asked()) {
            return;
        }
        if self.view.choice.admits(event, &self.names, &self.symbols) {
            self.rows += u64::from(Choice::is_row(event));
            self.analysis.fold(event);
        }
    }
}
