//! The loaded probes: attached, switched on, told what to trace, switched off.

use std::num::NonZeroU32;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use aya::maps::{Array, HashMap, MapData, MapError, RingBuf};
use aya::programs::perf_event::{PerfEventConfig, PerfEventScope, SamplePolicy, SoftwareEvent};
use aya::programs::uprobe::{UProbeAttachLocation, UProbeLinkId, UProbeScope};
use aya::programs::{BtfTracePoint, PerfEvent, UProbe};
use aya::{Ebpf, EbpfLoader};
use tracer_common::control::Control;
use tracer_common::switch::Thread;
use tracer_common::target::Target;

use super::error::Error;
use super::object;
use super::plan::{Plan, read_rows};
use super::watchpoints::HANDLER;
use crate::kernel::btf::{self, Btf};
use crate::kernel::features::Features;
use crate::sections::Section;
use crate::target::eval::EvalFrame;

/// The program at the evaluation function's entry.
const ENTRY: &str = "evaluation_entry";
/// `BPF_NOEXIST`
const NO_EXIST: u64 = 1;

/// The probes in the kernel. Dropping them detaches them.
pub struct Probes {
    pub(super) ebpf: Ebpf,
    plan: Plan,
    control: Array<MapData, Control>,
    state: Control,
    targets: HashMap<MapData, u32, Target>,
    pub(super) threads: HashMap<MapData, u32, Thread>,
    entries: Vec<UProbeLinkId>,
}

impl Probes {
    /// Loads every probe that the plan needs; nothing is attached yet.
    ///
    /// # Errors
    /// When the kernel lacks something, or refuses.
    pub fn load(plan: Plan) -> Result<Self, Error> {
        if !is_initial_pid_namespace() {
            return Err(Error::PidNamespace);
        }
        let blob = std::fs::read(btf::VMLINUX).map_err(Error::NoBtf)?;
        let features = Features::of(&Btf::parse(blob)?)?;
        let mut ebpf = load_object(&plan, &features)?;
        load_programs(&mut ebpf, &plan)?;
        Ok(Self {
            control: take(&mut ebpf, "CONTROL", Array::try_from)?,
            targets: take(&mut ebpf, "TARGETS", HashMap::try_from)?,
            threads: take(&mut ebpf, "THREADS", HashMap::try_from)?,
            state: Control::default(),
            entries: Vec::new(),
            ebpf,
            plan,
        })
    }

    /// The stream of events.
    ///
    /// # Errors
    /// When it has been taken already.
    pub fn events(&mut self) -> Result<RingBuf<MapData>, Error> {
        take(&mut self.ebpf, "EVENTS", RingBuf::try_from)
    }

    /// Attaches everything. Nothing is counted before [`Probes::start`].
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn attach(&mut self) -> Result<(), Error> {
        for point in self.plan.tracepoints() {
            let program: &mut BtfTracePoint = program(&mut self.ebpf, point.name)?;
            program.attach().map_err(|error| Error::of_probe(point.name, &error))?;
        }
        if self.plan.sections.has(Section::Frames) {
            self.attach_clock()?;
        }
        Ok(())
    }

    /// One clock on each CPU, for all processes: an event of one process would miss the threads that it has already.
    fn attach_clock(&mut self) -> Result<(), Error> {
        let cpus = aya::util::online_cpus().map_err(|(_, error)| Error::of("list the CPUs", &error))?;
        let program: &mut PerfEvent = program(&mut self.ebpf, "sample")?;
        let clock = PerfEventConfig::Software(SoftwareEvent::CpuClock);
        for cpu in cpus {
            let scope = PerfEventScope::AllProcessesOneCpu { cpu };
            let policy = SamplePolicy::Frequency(self.plan.rate_hz.into());
            program.attach(clock, scope, policy, false).map_err(|error| Error::of_probe("sample", &error))?;
        }
        Ok(())
    }

    /// Counts entries of these processes' evaluation functions, if the plan asks for it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn count_entries<'a>(
        &mut self,
        places: impl Iterator<Item = (u32, &'a EvalFrame)>,
    ) -> Result<(), Error> {
        if !self.plan.calls {
            return Ok(());
        }
        let program: &mut UProbe = program(&mut self.ebpf, ENTRY)?;
        for (pid, place) in places {
            let Some(pid) = NonZeroU32::new(pid) else { continue };
            let at = UProbeAttachLocation::AbsoluteOffset(place.file_offset);
            let link = program.attach(at, &place.path, UProbeScope::OneProcess(pid));
            self.entries.push(link.map_err(|error| Error::of_probe(ENTRY, &error))?);
        }
        Ok(())
    }

    /// Takes the breakpoints out of the evaluation functions.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn stop_counting_entries(&mut self) -> Result<(), Error> {
        let program: &mut UProbe = program(&mut self.ebpf, ENTRY)?;
        for link in self.entries.drain(..) {
            program.detach(link).map_err(|error| Error::of_probe(ENTRY, &error))?;
        }
        Ok(())
    }

    /// Whether entries of the evaluation function are counted now.
    #[must_use]
    pub fn counts_entries(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Traces a process, or tells what is known of it now.
    ///
    /// # Errors
    /// When the table is full.
    pub fn trace(&mut self, pid: u32, target: &Target) -> Result<(), Error> {
        self.targets.insert(pid, target, 0).map_err(|error| Error::of("trace another process", &error))
    }

    /// What is known of a process that is traced.
    #[must_use]
    pub fn target(&self, pid: u32) -> Option<Target> {
        self.targets.get(&pid, 0).ok()
    }

    /// Tells where a thread has been asleep since before the window, unless it has switched since.
    pub fn assume_asleep(&mut self, tid: u32, thread: &Thread) -> bool {
        self.threads.insert(tid, thread, NO_EXIST).is_ok()
    }

    /// Switches counting on.
    ///
    /// # Errors
    /// When the kernel refuses the write.
    pub fn start(&mut self, now_ns: u64) -> Result<(), Error> {
        self.state = Control { running: 1, started_ns: now_ns, ..self.state };
        self.write_control()
    }

    /// Switches counting off, and waits until every probe that still ran has ended.
    ///
    /// # Errors
    /// When the kernel refuses the write.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.state.running = 0;
        self.write_control()?;
        wait_for_probes();
        Ok(())
    }

    /// Begins a new epoch and waits until no probe adds to the old one; returns the old one.
    pub(super) fn next_epoch(&mut self) -> Result<u32, Error> {
        let old = self.state.epoch;
        self.state.epoch = old.wrapping_add(1);
        self.write_control()?;
        wait_for_probes();
        Ok(old)
    }

    /// Sheds detail, see `tracer_common::control`.
    ///
    /// # Errors
    /// When the kernel refuses the write.
    pub fn shed(&mut self, shed: u32) -> Result<(), Error> {
        self.state.shed = shed;
        self.write_control()
    }

    fn write_control(&mut self) -> Result<(), Error> {
        self.control.set(0, self.state, 0).map_err(|error| Error::of("switch the probes", &error))
    }

    /// The plan that they were loaded for.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// The probes see pids as the initial namespace numbers them; `/proc` shows those of ours.
fn is_initial_pid_namespace() -> bool {
    /// `PROC_PID_INIT_INO`: <https://github.com/torvalds/linux/blob/v6.12/include/linux/proc_ns.h#L45>
    const INITIAL: u64 = 0xefff_fffc;
    std::fs::metadata("/proc/self/ns/pid").is_ok_and(|namespace| namespace.ino() == INITIAL)
}

fn load_object(plan: &Plan, features: &Features) -> Result<Ebpf, Error> {
    let cpus = aya::util::nr_cpus().map_err(|(_, error)| Error::of("count the CPUs", &error))?;
    let mut globals = features.globals.clone();
    globals.push(("DEPTH", plan.depth));
    globals.push(("RING_WATERMARK", plan.ring_bytes / 2));
    let mut loader = EbpfLoader::new();
    for (name, value) in &globals {
        // What no probe reads is not in the object.
        loader.override_global(name, value, false);
    }
    loader.map_max_entries("EVENTS", plan.ring_bytes);
    loader.map_max_entries("READS", read_rows(cpus));
    loader
        .load(&object::for_kernel(features.rdonly_cast))
        .map_err(|error| Error::of("create the probes' maps", &error))
}

fn load_programs(ebpf: &mut Ebpf, plan: &Plan) -> Result<(), Error> {
    let types = aya::Btf::from_sys_fs().map_err(|error| Error::of("read the kernel's BTF", &error))?;
    for point in plan.tracepoints() {
        let program: &mut BtfTracePoint = program(ebpf, point.name)?;
        program.load(point.name, &types).map_err(|error| Error::of_probe(point.name, &error))?;
    }
    if plan.sections.has(Section::Frames) {
        let program: &mut PerfEvent = program(ebpf, "sample")?;
        program.load().map_err(|error| Error::of_probe("sample", &error))?;
    }
    if plan.sections.has(Section::Signals) {
        let program: &mut PerfEvent = program(ebpf, HANDLER)?;
        program.load().map_err(|error| Error::of_probe(HANDLER, &error))?;
    }
    if plan.calls {
        let program: &mut UProbe = program(ebpf, ENTRY)?;
        program.load().map_err(|error| Error::of_probe(ENTRY, &error))?;
    }
    Ok(())
}

/// A program of the object by its name.
pub(super) fn program<'a, P>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut P, Error>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = aya::programs::ProgramError>,
{
    let missing = || Error::Kernel { act: "find a probe in the object", reason: name.to_owned() };
    ebpf.program_mut(name).ok_or_else(missing)?.try_into().map_err(|error| Error::of_probe(name, &error))
}

/// A map of the object by its name.
pub(super) fn take<M>(
    ebpf: &mut Ebpf,
    name: &'static str,
    make: impl FnOnce(aya::maps::Map) -> Result<M, MapError>,
) -> Result<M, Error> {
    let missing = || Error::Kernel { act: "find a map in the object", reason: name.to_owned() };
    make(ebpf.take_map(name).ok_or_else(missing)?).map_err(|error| Error::of("open a map", &error))
}

/// Probes run inside RCU read sections, and this is the kernel's way to wait for all of those. Kernels with full
/// dynamic ticks refuse it; no probe runs for longer than the pause.
/// <https://github.com/torvalds/linux/blob/v6.12/kernel/sched/membarrier.c#L607>
fn wait_for_probes() {
    const LONGER_THAN_ANY_PROBE: Duration = Duration::from_millis(50);
    if crate::sys::membarrier::global().is_err() {
        std::thread::sleep(LONGER_THAN_ANY_PROBE);
    }
}
