//! What the probes hang on all the time: tracepoints, and a clock on each CPU.

use std::os::fd::AsFd;

use aya::Ebpf;
use aya::programs::tp_btf::BtfTracePointLink;
use aya::programs::{BtfTracePoint, PerfEvent};

use crate::attach::by_name::program;
use crate::attach::clock::Clocks;
use crate::attach::error::Error;
use crate::attach::plan::{Plan, READS, SAMPLE};

/// All that is attached. Dropped, it is detached.
#[derive(Default)]
pub struct Hooks {
    tracepoints: Vec<BtfTracePointLink>,
    /// That of reads, while they are watched.
    reads: Option<BtfTracePointLink>,
    clocks: Option<Clocks>,
}

impl Hooks {
    /// Attaches what the plan needs.
    pub fn attach(ebpf: &mut Ebpf, plan: &Plan) -> Result<Self, Error> {
        let mut hooks = Self::default();
        for point in plan.tracepoints() {
            let link = attach(ebpf, point.name)?;
            if point.name == READS {
                hooks.reads = Some(link);
            } else {
                hooks.tracepoints.push(link);
            }
        }
        if plan.samples() {
            hooks.clocks = Some(start_clocks(ebpf, plan.rate_hz)?);
        }
        Ok(hooks)
    }

    /// Watches reads, or watches them no more.
    pub fn watch_reads(&mut self, ebpf: &mut Ebpf, wanted: bool) -> Result<(), Error> {
        match (wanted, self.reads.take()) {
            (true, None) => self.reads = Some(attach(ebpf, READS)?),
            (false, Some(link)) => drop(link),
            (_, unchanged) => self.reads = unchanged,
        }
        Ok(())
    }

    /// Whether reads are watched now.
    pub fn watch_reads_now(&self) -> bool {
        self.reads.is_some()
    }

    /// See [`Clocks::follow`].
    pub fn clocks_follow(&mut self, is_busy: bool) {
        self.clocks.iter_mut().for_each(|clocks| clocks.follow(is_busy));
    }

    /// Stops the clocks, and gives away what the kernel takes longer to detach.
    pub fn detach(&mut self) -> impl Send + use<> {
        self.clocks.iter_mut().for_each(Clocks::close);
        (std::mem::take(&mut self.tracepoints), self.reads.take())
    }
}

fn attach(ebpf: &mut Ebpf, name: &'static str) -> Result<BtfTracePointLink, Error> {
    let program: &mut BtfTracePoint = program(ebpf, name)?;
    let link = program.attach().and_then(|link| program.take_link(link));
    link.map_err(|error| Error::of_probe(name, &error))
}

/// One clock on each CPU, for all processes: an event of one process would miss the threads that it has already.
fn start_clocks(ebpf: &mut Ebpf, rate_hz: u32) -> Result<Clocks, Error> {
    let cpus = aya::util::online_cpus().map_err(|(_, error)| Error::new("list the CPUs", &error))?;
    let program: &mut PerfEvent = program(ebpf, SAMPLE)?;
    let program = program.fd().map_err(|error| Error::of_probe(SAMPLE, &error))?;
    Clocks::start(&cpus, rate_hz, program.as_fd())
}
