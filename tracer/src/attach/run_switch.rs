//! The map that the probes ask at every hit: whether they count, in which epoch, and what they leave out.

use std::thread;
use std::time::Duration;

use aya::Ebpf;
use aya::maps::{Array, MapData};
use tracer_common::control::Control;
use tracer_common::task::Numbers;

use crate::attach::by_name::take;
use crate::attach::direct_map::{self, KnownMemory};
use crate::attach::error::Error;
use crate::sys::membarrier;

/// The map, and what was written to it last.
pub struct RunSwitch {
    control: Array<MapData, Control>,
    state: Control,
}

impl RunSwitch {
    /// Takes the map over.
    pub fn new(ebpf: &mut Ebpf) -> Result<Self, Error> {
        let control = take(ebpf, "CONTROL", Array::try_from)?;
        Ok(Self { control, state: Control::default() })
    }

    /// Where the probes read a target's memory directly, if they can.
    pub fn find_direct_map(&mut self, ebpf: &mut Ebpf, known: &KnownMemory) -> Result<(), Error> {
        self.state.direct_map = direct_map::find(ebpf, &mut self.control, known)?;
        Ok(())
    }

    /// Switches counting on; `own` is us, where not all of the machine's tasks are ours.
    pub fn start(&mut self, now_ns: u64, own: Option<&Numbers>) -> Result<(), Error> {
        (self.state.running, self.state.started_ns) = (1, now_ns);
        if let Some(own) = own {
            (self.state.pid_level, self.state.pid_namespace) = (own.level, own.namespace);
        }
        self.write()
    }

    /// Switches counting off: only probes that run already go on until they end.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.state.running = 0;
        self.write()
    }

    /// Begins a new epoch and waits until no probe adds to the old one, while any counts; returns the old one.
    pub fn next_epoch(&mut self) -> Result<u32, Error> {
        let old = self.state.epoch;
        self.state.epoch = old.wrapping_add(1);
        self.write()?;
        if self.state.running != 0 {
            wait_for_probes();
        }
        Ok(old)
    }

    /// Sheds and thins detail.
    pub fn shed(&mut self, shed: u32, thinning: u32) -> Result<(), Error> {
        (self.state.shed, self.state.thinning) = (shed, thinning);
        self.write()
    }

    fn write(&mut self) -> Result<(), Error> {
        self.control.set(0, self.state, 0).map_err(|error| Error::new("switch the probes", &error))
    }
}

/// Waits until the probes that run now have ended. They run inside RCU read sections, and this is the kernel's way to wait
/// for all of those. Kernels with full dynamic ticks refuse it; no probe runs for longer than the pause.
/// <https://github.com/torvalds/linux/blob/v6.12/kernel/sched/membarrier.c#L607>
pub fn wait_for_probes() {
    const LONGER_THAN_ANY_PROBE: Duration = Duration::from_millis(50);
    if membarrier::global().is_err() {
        thread::sleep(LONGER_THAN_ANY_PROBE);
    }
}
