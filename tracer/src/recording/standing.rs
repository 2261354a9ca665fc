//! How a run began and how it stands: what a report says beside what events add up to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tracer_common::counters::{Counters, Part, Probe};

use crate::attach::{Cost, Plan, of_probe, total};
use crate::clock::own_usage;
use crate::event::{Nanos, Pid};
use crate::report::{Ended, Host, Sentence, Shed};

/// How the run began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    /// Which version of `tracer` it was.
    pub version: String,
    /// Where it ran.
    pub host: Host,
    /// The processes that were asked for.
    pub pids: Vec<Pid>,
    /// What was attached.
    pub plan: Plan,
    /// Start of the window, in nanoseconds of `CLOCK_MONOTONIC`.
    pub start_ns: Nanos,
    /// On the wall.
    pub start: String,
    /// How long it took to attach.
    pub attach_ns: Nanos,
}

/// How the run stands: all figures count from its start on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Why the window has ended; `None` where it has not.
    pub ended: Option<Ended>,
    /// When it ended, or when this was: in nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: Nanos,
    /// What became of each probe's hits.
    pub counters: Vec<(Probe, Counters)>,
    /// What was sent and not read.
    pub unread: Unread,
    /// What became of names and stacks that arrived.
    pub records: RecordCounts,
    /// What a hit of each breakpoint costs beside its program.
    pub traps: Vec<(Probe, Nanos)>,
    /// What the probes cost.
    pub cost: Cost,
    /// How long entries of the evaluation function were counted.
    pub covered_ns: Nanos,
    /// How long reads were watched, if they were asked for.
    pub reads_covered_ns: Option<Nanos>,
    /// What was shed.
    pub shed: Vec<Shed>,
    /// Switches while the kernel's counts were read at the two ends of the window.
    pub switches_in_doubt: u64,
    /// What `tracer` itself took.
    pub usage: Usage,
}

impl Opening {
    /// With words that a screen can show: a recording may be made by hand.
    #[must_use]
    pub fn harmless(mut self) -> Self {
        let Host { kernel, arch, .. } = &mut self.host;
        [&mut self.version, &mut self.start, kernel, arch].into_iter().for_each(sanitize);
        self
    }
}

fn sanitize(words: &mut String) {
    *words = Sentence::new(&*words).as_str().to_owned();
}

impl Standing {
    /// With words that a screen can show: a recording may be made by hand.
    #[must_use]
    pub fn harmless(mut self) -> Self {
        self.shed.iter_mut().flat_map(|shed| [&mut shed.what, &mut shed.why]).for_each(sanitize);
        self
    }

    /// Whether a run can stand like this: sums of what none can have would not fit.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        const MOST: u64 = 1 << 44;
        const LONGEST: Nanos = 1 << 56;
        const DEAREST_TRAP: Nanos = 1 << 16;
        let part = |part: Part| [part.hits, part.lost_ring_full, part.lost_map_full, part.lost_map_busy];
        let counted = self.counters.iter().flat_map(|(_, of)| {
            let hits = [of.hits, of.filtered, of.emitted, of.aggregated];
            let lost = [of.lost_ring_full, of.lost_map_full, of.lost_map_busy];
            let records = [of.records_tried, of.records_lost];
            hits.into_iter().chain(lost).chain(records).chain(part(of.turns)).chain(part(of.reads))
        });
        let unread = self.unread.events.values().copied().chain([self.unread.records]);
        let times = self.counters.iter().flat_map(|(_, of)| [of.time.filtered_ns, of.time.own_ns]);
        self.counters.len() <= Probe::ALL.len()
            && counted.chain(unread).all(|count| count <= MOST)
            && times.chain([self.at_ns]).all(|ns| ns <= LONGEST)
            && self.traps.iter().all(|(_, ns)| *ns <= DEAREST_TRAP)
    }
}

impl Standing {
    /// The same of the time since it stood like `base`, so many nanoseconds after its start. What was on its way then
    /// counts where it arrived.
    #[must_use]
    pub fn since(mut self, base: &Self, start: Nanos) -> Self {
        for (probe, of) in &mut self.counters {
            *of = difference(of, &of_probe(&base.counters, *probe));
        }
        self.records.decoded = self.records.decoded.saturating_sub(base.records.decoded);
        self.records.corrupt = self.records.corrupt.saturating_sub(base.records.corrupt);
        self.unread.records = self.unread.records.saturating_sub(base.unread.records);
        let RecordCounts { decoded, corrupt } = self.records;
        let sum = total(&self.counters);
        let known = decoded + corrupt + sum.records_lost + self.unread.records;
        if let Some((_, first)) = self.counters.first_mut() {
            first.records_tried += known.saturating_sub(sum.records_tried);
        }
        self.unread.records += sum.records_tried.saturating_sub(known);
        self.cost.missed = self.cost.missed.saturating_sub(base.cost.missed);
        self.covered_ns = self.covered_ns.saturating_sub(base.covered_ns);
        let covered_before = base.reads_covered_ns.unwrap_or_default();
        self.reads_covered_ns = self.reads_covered_ns.map(|covered| covered.saturating_sub(covered_before));
        self.shed.iter_mut().for_each(|shed| shed.at_ns = shed.at_ns.saturating_sub(start));
        self.usage.cpu_ns = self.usage.cpu_ns.saturating_sub(base.usage.cpu_ns);
        self
    }
}

fn difference(now: &Counters, before: &Counters) -> Counters {
    let part = |now: Part, before: Part| Part {
        hits: now.hits.saturating_sub(before.hits),
        lost_ring_full: now.lost_ring_full.saturating_sub(before.lost_ring_full),
        lost_map_full: now.lost_map_full.saturating_sub(before.lost_map_full),
        lost_map_busy: now.lost_map_busy.saturating_sub(before.lost_map_busy),
    };
    let mut since = Counters {
        hits: 0,
        filtered: now.filtered.saturating_sub(before.filtered),
        emitted: now.emitted.saturating_sub(before.emitted),
        aggregated: now.aggregated.saturating_sub(before.aggregated),
        lost_ring_full: now.lost_ring_full.saturating_sub(before.lost_ring_full),
        lost_map_full: now.lost_map_full.saturating_sub(before.lost_map_full),
        lost_map_busy: now.lost_map_busy.saturating_sub(before.lost_map_busy),
        records_tried: now.records_tried.saturating_sub(before.records_tried),
        records_lost: now.records_lost.saturating_sub(before.records_lost),
        turns: part(now.turns, before.turns),
        reads: part(now.reads, before.reads),
        time: now.time,
    };
    since.time.filtered_ns = now.time.filtered_ns.saturating_sub(before.time.filtered_ns);
    since.time.own_ns = now.time.own_ns.saturating_sub(before.time.own_ns);
    since.hits = since.filtered + since.emitted + since.aggregated + since.lost();
    since
}

/// Messages that were left in the ring buffer when the time to read them was over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Each the end of a hit, by their kinds.
    pub events: BTreeMap<u32, u64>,
    /// Names and stacks.
    pub records: u64,
}

/// What became of names and stacks that arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordCounts {
    /// Read.
    pub decoded: u64,
    /// Made no sense.
    pub corrupt: u64,
}

impl Usage {
    /// As it stands.
    pub fn now() -> Self {
        let (cpu_ns, peak_rss_bytes) = own_usage();
        Self { cpu_ns, peak_rss_bytes }
    }
}

/// What this process has taken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time, in nanoseconds.
    pub cpu_ns: Nanos,
    /// Most memory at a time.
    pub peak_rss_bytes: u64,
}
