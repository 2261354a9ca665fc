//! The report of a run that was recorded: the same events, folded in the same order, put together by the same function. Of a
//! part of its time, or of some of its rows, it is what a run of these alone would have shown, as far as that is known.

mod ahead;
mod choice;
mod part;
mod range;

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use choice::EventFilter;
pub use range::Range;

use super::finish::assemble;
use super::titles::Titles;
use crate::analysis::Analysis;
use crate::attach::total;
use crate::event::{Bytes, Event, Nanos, Task};
use crate::quick::QuickMap;
use crate::recording::{Damage, Opening, ReadError, Reader, Record, Standing};
use crate::report::{Bounded, Ended, Report, Shed};
use crate::symbols::{FrameIds, Symbols};
use crate::units::{bytes, counted, duration};
use part::RecordedPart;

/// Names of threads that are kept, to choose by: more than a machine has threads.
const THREADS: usize = 1 << 18;

/// What of a recording is wanted: all, unless it says otherwise.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Which part of its time.
    pub range: Range,
    /// Whose rows.
    pub choice: EventFilter,
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

/// What a recording has had so far.
struct RecordedRun<'a> {
    view: &'a View,
    opening: Option<Opening>,
    /// How the run stood last.
    standing: Option<Standing>,
    symbols: Symbols,
    ids: FrameIds,
    names: QuickMap<Task, Bytes>,
    analysis: Analysis,
    titles: Titles,
    part: RecordedPart,
    rows: u64,
}

/// Makes the report of a recording.
///
/// The analysis was made for what a kernel reports. A recording may have been made by hand, and an analysis that stops at
/// its contradictions must not end the program that reads it.
///
/// # Errors
/// When it cannot be read, has no block that is whole, contradicts itself, or ends before the range begins.
pub fn replay<R: Read + Send>(recording: Reader<R>, view: &View) -> Result<Replayed, ReadError> {
    let path = recording.path().clone();
    let replayed = catch_unwind(AssertUnwindSafe(|| fold(recording, view)));
    replayed.unwrap_or(Err(ReadError::Contradiction { path }))
}

fn fold<R: Read + Send>(mut recording: Reader<R>, view: &View) -> Result<Replayed, ReadError> {
    let mut run = RecordedRun::new(view);
    let damage = ahead::read(&mut recording, |record| {
        run.take(record);
        !run.part.is_over()
    })?;
    let path = || recording.path().clone();
    let (Some(opening), Some(standing)) = (run.opening, run.standing) else {
        return Err(ReadError::Nothing { path: path() });
    };
    if !run.part.has_begun() {
        let lasted = standing.at_ns.saturating_sub(opening.start_ns);
        return Err(ReadError::Shorter { path: path(), lasted: duration(lasted) });
    }
    let is_cut = standing.ended.is_none() && !run.part.is_over();
    let is_partial = run.part.begins_late()
        || standing.ended.is_none_or(|ended| ended == Ended::Saved)
        || run.part.is_over();
    let (opening, mut standing) = run.part.window(opening, settled(standing));
    let lasted = standing.at_ns.saturating_sub(opening.start_ns);
    standing.shed.extend(missing(damage, is_cut, lasted));
    let mut report = assemble(&opening, &standing, run.analysis, &run.symbols);
    if is_partial {
        mark_uncounted(&mut report);
    }
    if view.choice.is_asked() {
        report.findings = Bounded::default(); // they compare with what all of them did
        report.window.chosen = view.choice.words();
    }
    Ok(Replayed { report, damage, is_cut, rows: run.rows })
}

/// What is only counted when a run ends is of all of it, and not of a part.
fn mark_uncounted(report: &mut Report) {
    let loops = report.loops.as_ref().is_some_and(|loops| !loops.is_empty());
    let collections = report.gc.as_ref().is_some_and(|gc| !gc.pauses.is_empty());
    let named =
        [(loops, "turns of event loops below 50 ms"), (collections, "collections that were only counted")];
    let uncounted = |(_, what): (bool, &str)| Shed {
        at_ns: 0,
        what: what.to_owned(),
        why: "these are counted at the end of a run".to_owned(),
    };
    let before = std::mem::take(&mut report.overhead.shed.rows);
    let more = named.into_iter().filter(|(is_shown, _)| *is_shown).map(uncounted);
    report.overhead.shed.rows = before.into_iter().chain(more).collect();
}

/// Of a run that had not ended, what was on its way when the counters were read is none of the recording: no hits, and
/// names and stacks that were sent and not read.
fn settled(mut standing: Standing) -> Standing {
    if standing.ended.is_some_and(|ended| ended != Ended::Saved) {
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

impl<'a> RecordedRun<'a> {
    fn new(view: &'a View) -> Self {
        Self {
            view,
            opening: None,
            standing: None,
            symbols: Symbols::default(),
            ids: FrameIds::default(),
            names: QuickMap::default(),
            analysis: Analysis::default(),
            titles: Titles::default(),
            part: RecordedPart::new(view.range),
            rows: 0,
        }
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Opening(opening) => self.opening = Some(opening.harmless()),
            Record::Symbol(entry) => self.symbols.take(entry, &mut self.ids),
            Record::Event(event) => self.event(event),
            Record::Base(standing) => {
                let start_ns = self.opening.as_ref().map_or(0, |opening| opening.start_ns);
                self.part.begin_at(standing.harmless(), start_ns);
            }
            Record::Standing(standing) => {
                let start_ns = self.opening.as_ref().map_or(0, |opening| opening.start_ns);
                if let Some(before) = self.part.stand(&standing, start_ns) {
                    before.into_events().for_each(|event| self.fold(&event));
                }
                self.standing = Some(standing.harmless());
            }
        }
    }

    fn event(&mut self, mut event: Event) {
        if let Event::Process(process) = &mut event {
            self.titles.admit(process, self.analysis.described(process.pid));
        }
        if let Event::ThreadName { task, comm } = &event
            && (self.names.len() < THREADS || self.names.contains_key(task))
        {
            self.names.insert(*task, comm.clone());
        }
        if let Some(event) = self.part.shifted(event) {
            self.fold(&event);
        }
    }

    /// What is counted of whole threads and whole runs says nothing of a part.
    fn fold(&mut self, event: &Event) {
        let is_count = matches!(event, Event::KernelSwitches { .. } | Event::KernelSwitchesBefore { .. });
        let is_sum = matches!(event, Event::Loop { .. } | Event::GcCounted(_));
        if (is_count && (self.part.is_asked() || self.view.choice.is_asked()))
            || ((is_count || is_sum) && self.part.begins_late())
        {
            return;
        }
        if self.view.choice.admits(event, &self.names, &self.symbols) {
            self.rows += u64::from(EventFilter::is_row(event));
            self.analysis.fold(event);
        }
    }
}
