//! The report of a finished run, put together from its sections.

use std::cmp::Reverse;

use tracer_common::counters::{Counters, Probe};

use super::Options;
use super::event_collector::{EventCollector, Listener};
use super::losses::{self, SeenHits};
use super::run::Begin;
use crate::analysis::{Analysis, Window, findings};
use crate::attach::{of_probe, total};
use crate::event::{Nanos, Pid};
use crate::recording::{Opening, Standing};
use crate::report::{
    self, Bounded, Ended, Host, Overhead, ProgramTime, Quality, Records, Report, Shed, Switches, Target,
    TracerInfo,
};
use crate::roots::Root;
use crate::sections::{Section, Sections};
use crate::symbols::{LINES, Symbols};
use crate::sys::aside;
use crate::timeline::Names;

/// What distinguishes a run.
pub fn opening(options: &Options, roots: &[Root], begin: &Begin) -> Opening {
    Opening {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: host(),
        pids: roots.iter().filter(|root| root.asked).map(|root| root.process.pid).collect(),
        plan: options.plan.clone(),
        start_ns: begin.start_ns,
        start: begin.start.clone(),
        attach_ns: begin.attach_ns,
    }
}

/// Puts it together, of a run that has just ended or of one that was recorded.
pub fn assemble(opening: &Opening, standing: &Standing, analysis: Analysis, symbols: &Symbols) -> Report {
    let plan = &opening.plan;
    let duration_ns = standing.at_ns.saturating_sub(opening.start_ns);
    let window = Window {
        duration_ns,
        rate_hz: if plan.sections.has(Section::Frames) { plan.rate_hz.into() } else { 0 },
        reached_hz: reached_hz(&standing.counters, opening.host.cpus, duration_ns),
        entries_covered_ns: standing.covered_ns,
    };
    let sections = analysis.finish(symbols, &window);
    let losses = losses::by_section(&SeenHits {
        probes: &standing.counters,
        unread: &standing.unread.events,
        reads: sections.reads.sum().totals.syscalls,
        pids: &sections.target.rows.iter().map(|process| process.pid).collect::<Vec<_>>(),
        plan,
    });
    let mut report = Report {
        tracer: TracerInfo { version: opening.version.clone() },
        host: opening.host.clone(),
        target: Target { pids: opening.pids.clone(), processes: sections.target },
        window: report::Window {
            start: opening.start.clone(),
            start_monotonic_ns: opening.start_ns,
            duration_ns,
            // A recording that does not say was interrupted, as the run was.
            ended: standing.ended.unwrap_or(Ended::Interrupt),
            sections: plan.sections.list(),
            chosen: Vec::new(),
        },
        quality: Quality { samples: sections.samples, sections: losses, ..quality(standing) },
        overhead: overhead(opening.attach_ns, standing),
        switches: Switches { in_doubt: standing.switches_in_doubt, ..sections.switches },
        gil: sections.gil,
        reads: sections.reads,
        processes: sections.processes,
        signals: sections.signals,
        frames: sections.frames,
        gc: sections.gc,
        loops: sections.loops,
        over_time: sections.over_time,
        ..Report::default()
    };
    leave_out(&mut report, plan.sections);
    report.findings = findings(&report);
    report
}

/// How often the clock of a CPU came each second, on average: it does so whether the CPU is idle or not.
fn reached_hz(counters: &[(Probe, Counters)], cpus: u64, duration_ns: Nanos) -> u64 {
    let cpus = u128::from(cpus.max(1));
    let ticks = u128::from(of_probe(counters, Probe::Sample).hits) * 1_000_000_000;
    let cpu_ns = cpus * u128::from(duration_ns.max(1));
    u64::try_from((ticks + cpu_ns / 2) / cpu_ns).unwrap_or(u64::MAX)
}

/// Names that are cut, or missing.
pub fn shed_by_names<L: Listener>(collector: &EventCollector<L>, at_ns: Nanos) -> impl Iterator<Item = Shed> {
    let names = &collector.names;
    let missing =
        [names_left_out(&names.symbols, at_ns), names_not_read(names, at_ns), collector.titles_cut(at_ns)];
    let silent = aside::silent().into_iter().map(move |tid| not_answered(tid, at_ns));
    missing.into_iter().flatten().chain(silent)
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

/// What is read of memory from outside: names that the probes could not copy, stacks of threads that sleep.
fn not_answered(tid: Pid, at_ns: Nanos) -> Shed {
    let why = "it did not answer when it was read".to_owned();
    Shed { at_ns, what: format!("what is only in the memory of process {tid}"), why }
}

/// What was seen only because something else needed it is not reported.
fn leave_out(report: &mut Report, asked: Sections) {
    if !asked.has(Section::Switches) {
        report.switches.causes = Bounded::default();
        report.over_time = report::OverTime::default();
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

/// What became of each hit, and of names and stacks.
fn quality(standing: &Standing) -> Quality {
    let Standing { unread, records, .. } = standing;
    let counters = total(&standing.counters);
    let events = unread.events.values().sum();
    let lost = [
        ("ring_full", counters.lost_ring_full),
        ("map_full", counters.lost_map_full),
        ("map_busy", counters.lost_map_busy),
        ("unread", events),
    ];
    Quality {
        hits: counters.hits,
        filtered: counters.filtered,
        emitted: counters.emitted.saturating_sub(events),
        aggregated: counters.aggregated,
        lost: lost.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect(),
        records: Records {
            tried: counters.records_tried,
            decoded: records.decoded,
            corrupt: records.corrupt,
            lost: counters.records_lost + unread.records,
        },
        kernel_missed: standing.cost.missed,
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

/// What tracing cost.
pub fn overhead(attach_ns: Nanos, standing: &Standing) -> Overhead {
    let programs = programs(&standing.counters, &standing.traps);
    Overhead {
        trap_ns: programs.iter().map(|program| program.trap_ns).sum(),
        bpf_ns: programs.iter().map(|program| program.run_ns).sum(),
        programs,
        tracer_cpu_ns: standing.usage.cpu_ns,
        tracer_peak_rss_bytes: standing.usage.peak_rss_bytes,
        map_bytes: standing.cost.map_bytes,
        attach_ns,
        shed: standing.shed.iter().cloned().collect(),
        reads_covered_ns: standing.reads_covered_ns,
    }
}
