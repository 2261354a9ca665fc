//! What each section lost of its own, and what its user can do about that.

use std::collections::BTreeMap;

use tracer_common::counters::{Counters, Part, Probe};
use tracer_common::event::kind;

use crate::attach::Plan;
use crate::event::Pid;
use crate::report::SectionLoss;
use crate::units::percent;

/// More room than that is not to be had: it is multiplied for all kinds of rows.
const MOST_ROOM: u32 = 16;

/// What is known of the hits.
pub struct SeenHits<'a> {
    /// What became of each probe's.
    pub probes: &'a [(Probe, Counters)],
    /// Events that were sent and not read, by their kinds.
    pub unread: &'a BTreeMap<u32, u64>,
    /// Reads that were counted.
    pub reads: u64,
    /// Which process they concern.
    pub pids: &'a [Pid],
    /// What the probes had room for.
    pub plan: &'a Plan,
}

/// A section's hits, and what was lost of them.
#[derive(Default)]
struct Lost {
    part: Part,
    /// Sent, and not read.
    unread: u64,
}

impl Lost {
    fn all(&self) -> u64 {
        lost(&self.part) + self.unread
    }
}

/// Those sections that had hits of their own, by name.
pub fn by_section(seen: &SeenHits<'_>) -> BTreeMap<String, SectionLoss> {
    let mut sections = BTreeMap::<_, Lost>::new();
    for (probe, counters) in seen.probes {
        let own = own(counters);
        let Some(section) = section(*probe) else {
            let reads = Part { hits: seen.reads + lost(&counters.reads), ..counters.reads };
            add(&mut sections.entry("processes").or_default().part, &rest(own, [&reads, &counters.turns]));
            add(&mut sections.entry("reads").or_default().part, &reads);
            add(&mut sections.entry("loops").or_default().part, &counters.turns);
            continue;
        };
        add(&mut sections.entry(section).or_default().part, &own);
    }
    for (kind, events) in seen.unread {
        sections.entry(section_of_event(*kind)).or_default().unread += events;
    }
    let with_hits = sections.into_iter().filter(|(_, lost)| lost.part.hits > 0);
    with_hits.map(|(name, lost)| (name.to_owned(), section_loss(name, &lost, seen))).collect()
}

/// Whose figures a probe's hits are; none where they are shared.
fn section(probe: Probe) -> Option<&'static str> {
    Some(match probe {
        Probe::Syscall => return None,
        Probe::Switch | Probe::Waking | Probe::Wakeup => "switches",
        Probe::Sample | Probe::Entry => "frames",
        Probe::Fork | Probe::Exec | Probe::Exit | Probe::Free | Probe::Rename => "processes",
        Probe::SignalGenerate | Probe::SignalDeliver | Probe::Handler | Probe::Check => "signals",
        Probe::GcBegin | Probe::GcEnd => "gc",
    })
}

/// Likewise an event's.
fn section_of_event(event: u32) -> &'static str {
    match event {
        kind::SIGNAL_GENERATE | kind::SIGNAL_DELIVER | kind::HANDLER_START | kind::HANDLER_END => "signals",
        kind::LOOP_TURN => "loops",
        kind::GC_PAUSE => "gc",
        _ => "processes",
    }
}

/// Without those of other processes.
fn own(counters: &Counters) -> Part {
    Part {
        hits: counters.not_filtered(),
        lost_ring_full: counters.lost_ring_full,
        lost_map_full: counters.lost_map_full,
        lost_map_busy: counters.lost_map_busy,
    }
}

fn rest(mut all: Part, parts: [&Part; 2]) -> Part {
    for part in parts {
        all.hits = all.hits.saturating_sub(part.hits);
        all.lost_ring_full = all.lost_ring_full.saturating_sub(part.lost_ring_full);
        all.lost_map_full = all.lost_map_full.saturating_sub(part.lost_map_full);
        all.lost_map_busy = all.lost_map_busy.saturating_sub(part.lost_map_busy);
    }
    all
}

fn add(sum: &mut Part, part: &Part) {
    sum.hits += part.hits;
    sum.lost_ring_full += part.lost_ring_full;
    sum.lost_map_full += part.lost_map_full;
    sum.lost_map_busy += part.lost_map_busy;
}

fn lost(part: &Part) -> u64 {
    part.lost_ring_full + part.lost_map_full + part.lost_map_busy
}

fn section_loss(name: &str, lost: &Lost, seen: &SeenHits<'_>) -> SectionLoss {
    let reasons = [
        ("ring_full", lost.part.lost_ring_full),
        ("map_full", lost.part.lost_map_full),
        ("map_busy", lost.part.lost_map_busy),
        ("unread", lost.unread),
    ];
    SectionLoss {
        hits: lost.part.hits,
        lost: reasons.into_iter().map(|(reason, hits)| (reason.to_owned(), hits)).collect(),
        text: (lost.all() > 0).then(|| sentence(name, lost, seen).into()),
    }
}

/// `35.0% of the reads of pid 17 were not counted: …; try …`
fn sentence(name: &str, lost: &Lost, seen: &SeenHits<'_>) -> String {
    let whose = match seen.pids {
        [pid] => format!(" of pid {pid}"),
        _ => String::new(),
    };
    let share = percent(lost.all(), lost.part.hits);
    format!("{share} of the {}{whose} were not counted: {}", what(name), remedy(lost, seen.plan))
}

fn what(section: &str) -> &'static str {
    match section {
        "switches" => "switches and wakeups",
        "frames" => "samples",
        "processes" => "forks, execs and exits",
        "signals" => "signals",
        "gc" => "garbage collections",
        "loops" => "turns of event loops",
        _ => "reads",
    }
}

/// By what most of it was lost to.
fn remedy(Lost { part, unread }: &Lost, plan: &Plan) -> String {
    let not_read = part.lost_ring_full + unread;
    if part.lost_map_full >= not_read.max(part.lost_map_busy) {
        let room = plan.room * 4;
        let there_is_no_more = "trace fewer processes (--pid, --no-follow)".to_owned();
        let what = if room > MOST_ROOM { there_is_no_more } else { format!("try --room {room}") };
        return format!("too many different lines, files and threads at a time; {what}");
    }
    if not_read >= part.lost_map_busy {
        let mib = (plan.ring_bytes >> 20).max(1) * 4;
        return format!("they came faster than they could be reported; try --ring-size {mib}MiB");
    }
    "a probe interrupted another one at the wrong moment".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(room: u32) -> Plan {
        Plan { room, ..Plan::default() }
    }

    /// 1,000 calls of others; 65 reads, 20 turns, 10 children reaped; 35 reads and 1 turn lost.
    fn system_calls() -> Counters {
        Counters {
            hits: 1_131,
            filtered: 1_000,
            emitted: 10,
            aggregated: 85,
            lost_map_full: 35,
            lost_ring_full: 1,
            turns: Part { hits: 21, lost_ring_full: 1, ..Part::default() },
            reads: Part { lost_map_full: 35, ..Part::default() },
            ..Counters::default()
        }
    }

    fn sections(pids: &[Pid], room: u32) -> BTreeMap<String, SectionLoss> {
        let probes = [(Probe::Syscall, system_calls())];
        let unread = [(kind::LOOP_TURN, 2)].into();
        by_section(&SeenHits { probes: &probes, unread: &unread, reads: 65, pids, plan: &plan(room) })
    }

    #[test]
    fn what_a_section_lost_is_a_share_of_its_own() {
        let sections = sections(&[17], 1);
        let figures: Vec<_> = sections.iter().map(|(name, of)| (name.as_str(), of.hits, of.lost())).collect();
        assert_eq!(figures, [("loops", 21, 3), ("processes", 10, 0), ("reads", 100, 35)]);
        assert_eq!(sections["processes"].text, None);
        let text = "35.0% of the reads of pid 17 were not counted: too many different lines, files and threads at a \
                    time; try --room 4";
        assert_eq!(sections["reads"].text.as_ref().map(ToString::to_string).as_deref(), Some(text));
    }

    #[test]
    fn the_remedy_is_one_that_there_is() {
        for (room, pids, expected) in [
            (
                4,
                &[17][..],
                "of the reads of pid 17 were not counted: too many different lines, files and threads at a time; try --room 16",
            ),
            (
                16,
                &[17, 18],
                "of the reads were not counted: too many different lines, files and threads at a time; trace fewer processes (--pid, --no-follow)",
            ),
        ] {
            let text = sections(pids, room)["reads"].text.as_ref().map(ToString::to_string);
            assert!(text.as_ref().is_some_and(|text| text.ends_with(expected)), "{text:?}");
        }
        let loops = sections(&[17], 1)["loops"].text.as_ref().map(ToString::to_string);
        assert!(loops.is_some_and(|text| text.ends_with("could be reported; try --ring-size 16MiB")));
    }
}
