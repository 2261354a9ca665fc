//! The report of a finished run, put together from its sections.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use tracer_common::counters::{Counters, Probe};

use super::Options;
use super::event_collector::EventCollector;
use super::losses::{self, SeenHits};
use super::relay::Relay;
use super::roots::Root;
use super::run::Begin;
use crate::analysis::{Window, findings};
use crate::attach::{Cost, of_probe, total};
use crate::clock::own_usage;
use crate::event::{Nanos, Pid};
use crate::report::{
    self, Bounded, Ended, Host, Overhead, ProgramTime, Quality, Records, Report, Shed, Switches, Target,
    TracerInfo,
};
use crate::sections::{Section, Sections};
use crate::symbols::{LINES, Symbols};
use crate::sys::aside;
use crate::timeline::Names;

/// What is known at the end.
pub struct Ending {
    /// Why the window ended.
    pub ended: Ended,
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub end_ns: Nanos,
    /// What became of each probe's hits.
    pub counters: Vec<(Probe, Counters)>,
    /// What was sent and not read.
    pub unread: Unread,
    /// What a hit of each breakpoint costs beside its program.
    pub traps: Vec<(Probe, Nanos)>,
    /// What the probes cost.
    pub cost: Cost,
    /// How long entries of the evaluation function were counted.
    pub covered: Duration,
    /// How long reads were watched, if they were asked for.
    pub reads_covered: Option<Duration>,
    /// What was shed.
    pub shed: Vec<Shed>,
}

/// Messages that were left in the ring buffer when the time to read them was over.
#[derive(Clone, Debug, Default)]
pub struct Unread {
    /// Each the end of a hit, by their kinds.
    pub events: BTreeMap<u32, u64>,
    /// Names and stacks.
    pub records: u64,
}

/// Puts it together.
pub fn assemble(
    options: &Options,
    roots: &[Root],
    begin: Begin,
    collector: EventCollector<Relay<'_>>,
    mut ending: Ending,
) -> Report {
    let duration_ns = ending.end_ns.saturating_sub(begin.start_ns);
    let window = Window {
        duration_ns,
        rate_hz: if options.plan.sections.has(Section::Frames) { options.plan.rate_hz.into() } else { 0 },
        reached_hz: reached_hz(&ending.counters, duration_ns),
        entries_covered_ns: u64::try_from(ending.covered.as_nanos()).unwrap_or(u64::MAX),
    };
    ending.shed.extend(names_left_out(&collector.names.symbols, duration_ns));
    ending.shed.extend(names_not_read(&collector.names, duration_ns));
    ending.shed.extend(collector.titles_cut(duration_ns));
    ending.shed.extend(aside::silent().into_iter().map(|tid| not_answered(tid, duration_ns)));
    let (records, unread) = (collector.records(), std::mem::take(&mut ending.unread));
    let counted = total(&ending.counters);
    let sections = collector.analysis.finish(&collector.names.symbols, &window);
    let losses = losses::by_section(&SeenHits {
        probes: &ending.counters,
        unread: &unread.events,
        reads: sections.reads.sum().totals.syscalls,
        pids: &sections.target.rows.iter().map(|process| process.pid).collect::<Vec<_>>(),
        plan: &options.plan,
    });
    let mut report = Report {
        tracer: TracerInfo { version: env!("CARGO_PKG_VERSION").to_owned() },
        host: host(),
        target: Target {
            pids: roots.iter().filter(|root| root.asked).map(|root| root.process.pid).collect(),
            processes: sections.target,
        },
        window: report::Window {
            start: begin.start,
            start_monotonic_ns: begin.start_ns,
            duration_ns,
            ended: ending.ended,
            sections: options.plan.sections.list(),
        },
        quality: Quality {
            samples: sections.samples,
            records: Records {
                tried: counted.records_tried,
                decoded: records.decoded,
                corrupt: records.corrupt,
                lost: counted.records_lost + unread.records,
            },
            sections: losses,
            ..quality(&counted, unread.events.values().sum(), &ending.cost)
        },
        overhead: overhead(begin.attach_ns, ending),
        switches: Switches { in_doubt: begin.switches_in_doubt, ..sections.switches },
        gil: sections.gil,
        reads: sections.reads,
        processes: sections.processes,
        signals: sections.signals,
        frames: sections.frames,
        gc: sections.gc,
        loops: sections.loops,
        ..Report::default()
    };
    leave_out(&mut report, options.plan.sections);
    report.findings = findings(&report);
    report
}

/// How often the clock of a CPU came each second, on average: it does so whether the CPU is idle or not.
fn reached_hz(counters: &[(Probe, Counters)], duration_ns: Nanos) -> u64 {
    let cpus = aya::util::online_cpus().map_or(1, |cpus| cpus.len().max(1) as u128);
    let ticks = u128::from(of_probe(counters, Probe::Sample).hits) * 1_000_000_000;
    let cpu_ns = cpus * u128::from(duration_ns.max(1));
    u64::try_from((ticks + cpu_ns / 2) / cpu_ns).unwrap_or(u64::MAX)
}

/// A program that makes code without end has more lines than have names here.
fn names_left_out(symbols: &Symbols, at_ns: Nanos) -> Option<Shed> {
    let why = format!("{LINES} different lines, or 16 MiB of their names, have been seen");
    (!symbols.has_all_lines()).then(|| Shed { at_ns, what: "names of further lines".to_owned(), why })
}

/// Large code objects take milliseconds each.
fn names_not_read(names: &Names, at_ns: Nanos) -> Option<Shed> {
    let why = "reading them took more than a fifth of the time".to_owned();
    names.is_over_time().then(|| Shed { at_ns, what: "names of some lines".to_owned(), why })
}

/// What is read of memory from outside: names that the probes could not copy, stacks of those who sleep.
fn not_answered(tid: Pid, at_ns: Nanos) -> Shed {
    let why = "it did not answer when it was read".to_owned();
    Shed { at_ns, what: format!("what is only in the memory of process {tid}"), why }
}

/// What was seen only because something else needed it is not told.
fn leave_out(report: &mut Report, asked: Sections) {
    if !asked.has(Section::Switches) {
        report.switches.causes = Bounded::default();
        report.gil = None;
    }
    if !asked.has(Section::Processes) {
        report.processes = report::Processes::default();
    }
    if !asked.has(Section::Signals) {
        report.signals = Bounded::default();
    }
    if !asked.has(Section::Gc) {
        report.gc = None;
    }
    if !asked.has(Section::Frames) {
        report.frames = report::Frames { rate_hz: report.frames.rate_hz, ..report::Frames::default() };
    }
}

fn host() -> Host {
    let uname = rustix::system::uname();
    Host {
        kernel: uname.release().to_string_lossy().into_owned(),
        arch: uname.machine().to_string_lossy().into_owned(),
        cpus: aya::util::online_cpus().map_or(0, |cpus| cpus.len() as u64),
    }
}

fn quality(counters: &Counters, unread: u64, cost: &Cost) -> Quality {
    let lost = [
        ("ring_full", counters.lost_ring_full),
        ("map_full", counters.lost_map_full),
        ("map_busy", counters.lost_map_busy),
        ("unread", unread),
    ];
    Quality {
        hits: counters.hits,
        filtered: counters.filtered,
        emitted: counters.emitted.saturating_sub(unread),
        aggregated: counters.aggregated,
        lost: lost.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect(),
        kernel_missed: cost.missed,
        ..Quality::default()
    }
}

/// Run times of the probes, the costliest first.
fn programs(probes: &[(Probe, Counters)], traps: &[(Probe, Nanos)]) -> Vec<ProgramTime> {
    let hit = probes.iter().filter(|(_, counters)| counters.hits > 0);
    let mut programs: Vec<_> = hit
        .map(|(probe, Counters { hits, time, .. })| ProgramTime {
            name: probe.name().to_owned(),
            runs: *hits,
            run_ns: time.filtered_ns + time.own_ns,
            trap_ns: hits * traps.iter().find(|(trapped, _)| trapped == probe).map_or(0, |(_, ns)| *ns),
        })
        .collect();
    programs.sort_by_key(|program| Reverse(program.run_ns + program.trap_ns));
    programs
}

fn overhead(attach_ns: Nanos, ending: Ending) -> Overhead {
    let (tracer_cpu_ns, tracer_peak_rss_bytes) = own_usage();
    let programs = programs(&ending.counters, &ending.traps);
    Overhead {
        trap_ns: programs.iter().map(|program| program.trap_ns).sum(),
        bpf_ns: programs.iter().map(|program| program.run_ns).sum(),
        programs,
        tracer_cpu_ns,
        tracer_peak_rss_bytes,
        map_bytes: ending.cost.map_bytes,
        attach_ns,
        shed: ending.shed.into_iter().collect(),
        reads_covered_ns: ending
            .reads_covered
            .map(|covered| u64::try_from(covered.as_nanos()).unwrap_or(u64::MAX)),
    }
}
