//! The report of a finished run, put together from its sections.

use std::time::Duration;

use tracer_common::counters::Counters;

use super::Options;
use super::collector::Collector;
use super::relay::Relay;
use super::roots::Root;
use super::run::Begin;
use crate::analysis::{Window, findings};
use crate::attach::{Cost, ProgramCost};
use crate::clock::own_usage;
use crate::event::Nanos;
use crate::report::{
    self, Bounded, Ended, Host, Overhead, ProgramTime, Quality, Records, Report, Shed, Target, TracerInfo,
};
use crate::sections::{Section, Sections};

/// What is known at the end.
pub struct Ending {
    /// Why the window ended.
    pub ended: Ended,
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub end_ns: Nanos,
    /// What became of the hits.
    pub counters: Counters,
    /// What the probes cost.
    pub cost: Cost,
    /// How long entries of the evaluation function were counted.
    pub covered: Duration,
    /// How long reads were watched, if they were asked for.
    pub reads_covered: Option<Duration>,
    /// What was shed.
    pub shed: Vec<Shed>,
}

/// Puts it together.
pub fn assemble(
    options: &Options,
    roots: &[Root],
    begin: Begin,
    collector: Collector<Relay<'_>>,
    ending: Ending,
) -> Report {
    let duration_ns = ending.end_ns.saturating_sub(begin.start_ns);
    let window = Window {
        duration_ns,
        rate_hz: if options.plan.sections.has(Section::Frames) { options.plan.rate_hz.into() } else { 0 },
        entries_covered_ns: u64::try_from(ending.covered.as_nanos()).unwrap_or(u64::MAX),
    };
    let records = collector.records();
    let sections = collector.analysis.finish(&collector.names.symbols, &window);
    let mut report = Report {
        tracer: TracerInfo { version: env!("CARGO_PKG_VERSION").to_owned() },
        host: host(),
        target: Target {
            pids: roots.iter().map(|root| root.process.pid).collect(),
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
                tried: ending.counters.records_tried,
                decoded: records.decoded,
                corrupt: records.corrupt,
                lost: ending.counters.records_lost,
            },
            ..quality(&ending.counters, &ending.cost)
        },
        overhead: overhead(ending.cost, begin.attach_ns, ending.shed, ending.reads_covered),
        switches: sections.switches,
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

fn quality(counters: &Counters, cost: &Cost) -> Quality {
    let lost = [
        ("ring_full", counters.lost_ring_full),
        ("map_full", counters.lost_map_full),
        ("map_busy", counters.lost_map_busy),
    ];
    Quality {
        hits: counters.hits,
        filtered: counters.filtered,
        emitted: counters.emitted,
        aggregated: counters.aggregated,
        lost: lost.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect(),
        kernel_missed: cost.missed,
        ..Quality::default()
    }
}

fn program_time(program: ProgramCost) -> ProgramTime {
    ProgramTime { name: program.name, runs: program.runs, run_ns: program.run_ns }
}

fn overhead(cost: Cost, attach_ns: Nanos, shed: Vec<Shed>, reads_covered: Option<Duration>) -> Overhead {
    let (tracer_cpu_ns, tracer_peak_rss_bytes) = own_usage();
    Overhead {
        bpf_ns: cost.run_ns(),
        programs: cost.programs.into_iter().map(program_time).collect(),
        tracer_cpu_ns,
        tracer_peak_rss_bytes,
        map_bytes: cost.map_bytes,
        attach_ns,
        shed: shed.into_iter().collect(),
        reads_covered_ns: reads_covered.map(|covered| u64::try_from(covered.as_nanos()).unwrap_or(u64::MAX)),
    }
}
