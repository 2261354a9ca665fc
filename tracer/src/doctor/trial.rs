//! The probes, loaded and attached for a moment. They trace nothing.

use std::time::Instant;

use super::check::Check;
use crate::attach::{Error, Plan, Probes};
use crate::error::ErrorKind;
use crate::sections::Sections;

fn plan(sections: Sections, calls: bool) -> Plan {
    Plan { sections, ring_bytes: 1 << 20, calls, ..Plan::default() }
}

/// All of them.
pub fn checks() -> Vec<Check> {
    let began = Instant::now();
    let mut probes = match Probes::load(plan(Sections::ALL, false)) {
        Ok(probes) => probes,
        Err(error) => return vec![Check::error("probes", error.kind(), &error)],
    };
    let took = began.elapsed().as_millis();
    let loaded = Check::ok("probes", format!("the kernel accepts all of them, in {took} ms"));
    vec![loaded, attached(&mut probes), calls()]
}

/// What `--calls` needs besides: some hosts refuse it.
fn calls() -> Check {
    match Probes::load(plan(Sections::only(&[]), true)) {
        Ok(_) => Check::ok("uprobe", "the kernel accepts the program that --calls needs"),
        Err(_refused) => Check::lacking(
            "uprobe",
            "the kernel refuses it: --calls does not work",
            "try without --calls, or on a host that permits uprobes",
        ),
    }
}

fn attached(probes: &mut Probes) -> Check {
    let cpus = aya::util::online_cpus().map_or(0, |cpus| cpus.len());
    // Stopping what never started waits for probes as a run does.
    match probes.attach().and_then(|()| probes.stop()) {
        Ok(()) => Check::ok("clock", format!("probes attach, and a perf clock ticks on each of {cpus} CPUs")),
        Err(error @ Error::NotPermitted { .. }) => Check::error("clock", error.kind(), &error),
        Err(error) => Check::error("clock", ErrorKind::Kernel, &error),
    }
}
