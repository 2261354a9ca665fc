//! The loaded probes: attached, switched on, told what to trace, switched off.

use std::borrow::Cow;
use std::thread;
use std::time::Duration;

use aya::Ebpf;
use aya::maps::{Array, HashMap, Map, MapData, MapError, RingBuf};
use aya::programs::perf_event::PerfEventLink;
use aya::programs::perf_event::{PerfEventConfig, PerfEventScope, SamplePolicy, SoftwareEvent};
use aya::programs::tp_btf::BtfTracePointLink;
use aya::programs::{BtfTracePoint, PerfEvent};
use tracer_common::control::Control;
use tracer_common::gil::Pthread;
use tracer_common::switch::{SwitchKey, Thread};
use tracer_common::target::{NUMBERS, Target, flag, place};

use super::breakpoints::Breakpoint;
use super::error::Error;
use super::ids::{Ids, numbers_of};
use super::multi::Multi;
use super::plan::{ENTRY, Plan, SAMPLE};
use super::remover::Remover;
use super::{direct_map, tasks};
use super::{load, object};
use crate::decode;
use crate::event::{Event, Pid, Task};
use crate::kernel::btf::Btf;
use crate::kernel::features::Features;
use crate::sys::words::Words;
use crate::target::eval::EvalFrame;
use crate::target::namespace;

/// The hook of reads.
pub(super) const READS: &str = "sys_exit";
/// What cannot be done when a map refuses a process.
const TRACE: &str = "trace another process";
/// `BPF_NOEXIST`
const NO_EXIST: u64 = 1;
/// `BPF_EXIST`
const EXIST: u64 = 2;

/// The probes in the kernel. Dropping them detaches them.
pub struct Probes {
    pub(super) ebpf: Ebpf,
    plan: Plan,
    control: Array<MapData, Control>,
    state: Control,
    targets: HashMap<MapData, u32, Target>,
    execs: HashMap<MapData, u32, u64>,
    /// The set of the same processes.
    traced: Words,
    /// Programs that are loaded later name it by this descriptor.
    _traced_map: MapData,
    pub(super) threads: HashMap<MapData, u32, Thread>,
    pthreads: HashMap<MapData, Pthread, u32>,
    entries: Vec<Breakpoint>,
    /// The hook of reads, while they are watched.
    reads: Option<BtfTracePointLink>,
    tracepoints: Vec<BtfTracePointLink>,
    clock: Vec<PerfEventLink>,
    ids: Ids,
    /// `None` where the kernel has no links of many breakpoints.
    pub(super) multi: Option<Multi>,
    /// Dropped last, and waited for.
    pub(super) remover: Remover,
}

impl Probes {
    /// Loads every probe that the plan needs; nothing is attached yet.
    ///
    /// # Errors
    /// When the kernel lacks something, or refuses.
    pub fn load(plan: Plan) -> Result<Self, Error> {
        let loader = thread::Builder::new().spawn(load::loader);
        let loader = loader.map_err(|error| Error::no_thread(&error))?;
        let kernel = Btf::of_kernel().map_err(Error::NoBtf)?;
        let Features { mut globals, rdonly_cast } = Features::of(&kernel)?;
        globals.extend([("DEPTH", plan.depth), ("RING_WATERMARK", plan.ring_bytes / 2)]);
        let loader = loader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let witness = direct_map::Witness::new();
        let wide = witness.globals();
        let object = object::for_kernel(rdonly_cast);
        let mut ebpf = load::object(loader, &globals, &plan, &object, &wide)?;
        let multi = Multi::of(&object, &ebpf).filter(|_| plan.has_breakpoints());
        let multi = load::programs(&mut ebpf, multi, &plan, &kernel)?;
        let mut control = take(&mut ebpf, "CONTROL", Array::try_from)?;
        // Without the cast nobody asks where it is.
        let direct_map = match rdonly_cast {
            Some(_) => direct_map::find(&mut ebpf, &mut control, &witness)?,
            None => 0,
        };
        let (traced, traced_map) = words_of(&mut ebpf)?;
        Ok(Self {
            control,
            targets: take(&mut ebpf, "TARGETS", HashMap::try_from)?,
            execs: take(&mut ebpf, "EXECS", HashMap::try_from)?,
            traced,
            _traced_map: traced_map,
            threads: take(&mut ebpf, "THREADS", HashMap::try_from)?,
            pthreads: take(&mut ebpf, "PTHREADS", HashMap::try_from)?,
            state: Control { direct_map, ..Control::default() },
            entries: Vec::new(),
            reads: None,
            tracepoints: Vec::new(),
            clock: Vec::new(),
            multi,
            ids: Ids::new(namespace::is_initial()),
            remover: Remover::new(),
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
            let link = program.attach().and_then(|link| program.take_link(link));
            let link = link.map_err(|error| Error::of_probe(point.name, &error))?;
            if point.name == READS {
                self.reads = Some(link);
            } else {
                self.tracepoints.push(link);
            }
        }
        if self.plan.samples() {
            self.attach_clock()?;
        }
        Ok(())
    }

    /// One clock on each CPU, for all processes: an event of one process would miss the threads that it has already.
    fn attach_clock(&mut self) -> Result<(), Error> {
        let cpus = aya::util::online_cpus().map_err(|(_, error)| Error::of("list the CPUs", &error))?;
        let program: &mut PerfEvent = program(&mut self.ebpf, SAMPLE)?;
        let clock = PerfEventConfig::Software(SoftwareEvent::CpuClock);
        for cpu in cpus {
            let scope = PerfEventScope::AllProcessesOneCpu { cpu };
            let policy = SamplePolicy::Frequency(self.plan.rate_hz.into());
            let link = program.attach(clock, scope, policy, false).and_then(|link| program.take_link(link));
            self.clock.push(link.map_err(|error| Error::of_probe(SAMPLE, &error))?);
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
        for (pid, place) in places {
            let breakpoint = self.set(ENTRY, pid, &place.path, &[place.file_offset])?;
            self.entries.push(breakpoint);
        }
        Ok(())
    }

    /// Takes the breakpoints out of the evaluation functions: they are gone when this returns.
    pub fn stop_counting_entries(&mut self) {
        self.entries.clear();
    }

    /// Whether entries of the evaluation function are counted now.
    #[must_use]
    pub fn counts_entries(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Watches reads, which costs every system call of every process, or watches them no more.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn watch_reads(&mut self, wanted: bool) -> Result<(), Error> {
        let refused = |error| Error::of_probe(READS, &error);
        let program: &mut BtfTracePoint = program(&mut self.ebpf, READS)?;
        match (wanted, self.reads.take()) {
            (true, None) => {
                let link = program.attach().and_then(|link| program.take_link(link));
                self.reads = Some(link.map_err(refused)?);
            }
            (false, Some(link)) => drop(link),
            (_, unchanged) => self.reads = unchanged,
        }
        Ok(())
    }

    /// Whether reads are watched now.
    #[must_use]
    pub fn watches_reads(&self) -> bool {
        self.reads.is_some()
    }

    /// Traces a process, and those that it forks from now on.
    ///
    /// # Errors
    /// When the table is full.
    pub fn trace(&mut self, pid: Pid, target: &Target) -> Result<(), Error> {
        let Some(id) = self.kernel_id(pid)? else { return Ok(()) };
        self.tell(pid, target)?;
        let (word, bit) = place(id);
        self.traced.set(word as usize, bit);
        Ok(())
    }

    /// Tells what is known now of a process that is traced. One that has ended is told by its exit.
    ///
    /// # Errors
    /// When the table is full.
    pub fn tell(&mut self, pid: Pid, target: &Target) -> Result<(), Error> {
        let Some(id) = self.kernel_id(pid)? else { return Ok(()) };
        self.targets.insert(id, target, 0).map_err(|error| Error::of(TRACE, &error))
    }

    /// Tells what was found out of a process, unless it has ended or runs another program by now: whether it was so told.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn identify(&mut self, pid: Pid, target: &Target) -> Result<bool, Error> {
        let Some(id) = self.kernel_id(pid)? else { return Ok(false) };
        let mut found = *target;
        loop {
            match self.targets.insert(id, found, EXIST) {
                Ok(()) => {}
                Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => {
                    return Ok(false);
                }
                Err(error) => return Err(Error::of(TRACE, &error)),
            }
            // The probe at an exec notes it here first: one that the insertion has undone is known.
            match self.execs.get(&id, 0) {
                Ok(space) if space > found.space => {
                    found = Target { space, flags: target.flags & flag::FOLLOW, ..Target::default() };
                }
                _ => return Ok(found.space == target.space),
            }
        }
    }

    /// What is known of a process that is traced.
    ///
    /// # Errors
    /// When the kernel does not list the tasks of our pid namespace.
    pub fn target(&mut self, pid: Pid) -> Result<Option<Target>, Error> {
        let Some(pid) = self.kernel_id(pid)? else { return Ok(None) };
        Ok(self.targets.get(&pid, 0).ok())
    }

    /// Tells where threads have been asleep since before the window, unless they have switched since: whether it was
    /// news, for each.
    ///
    /// # Errors
    /// When the kernel does not list the tasks of our pid namespace.
    pub fn assume_asleep(&mut self, threads: &[Thread]) -> Result<Vec<bool>, Error> {
        self.learn_ids()?;
        let mut tell = |thread: &Thread| {
            let (pid, tid) = (self.ids.kernel(thread.key.pid)?, self.ids.kernel(thread.key.tid)?);
            let thread = Thread { key: SwitchKey { pid, tid, ..thread.key }, ..*thread };
            self.threads.insert(tid, thread, NO_EXIST).ok()
        };
        Ok(threads.iter().map(|thread| tell(thread).is_some()).collect())
    }

    /// A message of the ring buffer, with our numbers for processes and threads.
    ///
    /// # Errors
    /// When the kernel does not list the tasks of our pid namespace.
    pub fn shown<'a>(&mut self, message: &'a [u8]) -> Result<Cow<'a, [u8]>, Error> {
        self.learn_ids_of(decode::header_numbers(message))?;
        Ok(self.ids.message(message))
    }

    /// A thread of a row that is left at the end, likewise.
    #[must_use]
    pub fn shown_task(&self, pid: u32, tid: u32) -> Task {
        Task { pid: self.ids.shown(pid), tid: self.ids.shown(tid) }
    }

    /// The rows of an epoch, likewise: what was sent before them must have been shown.
    ///
    /// # Errors
    /// When the kernel does not list the tasks of our pid namespace.
    pub fn show_rows(&mut self, rows: &mut [Event]) -> Result<(), Error> {
        for row in rows {
            for numbers in numbers_of(row) {
                self.learn_ids_of(numbers)?;
            }
            self.ids.row(row);
        }
        self.ids.pass_epoch();
        Ok(())
    }

    /// The number by which the probes know a process that lives now.
    pub(super) fn kernel_id(&mut self, pid: Pid) -> Result<Option<u32>, Error> {
        self.learn_ids()?;
        Ok(self.ids.kernel(pid))
    }

    /// A message's or a row's, if they are news: the message of their birth was lost, or came before the first.
    fn learn_ids_of(&mut self, numbers: (u32, u32)) -> Result<(), Error> {
        while let Some(unknown) = self.ids.unknown(numbers) {
            self.learn_ids()?;
            self.ids.learn_nothing_of(unknown);
        }
        Ok(())
    }

    fn learn_ids(&mut self) -> Result<(), Error> {
        if !namespace::is_initial() {
            self.ids.learn(tasks::list(&mut self.ebpf)?);
        }
        Ok(())
    }

    /// Tells the `pthread_self()` of threads, unless the probes know it already.
    ///
    /// # Errors
    /// When the kernel does not list the tasks of our pid namespace.
    pub fn introduce(&mut self, threads: &[(Task, u64)]) -> Result<(), Error> {
        self.learn_ids()?;
        for (task, pointer) in threads {
            let (Some(pid), Some(tid)) = (self.ids.kernel(task.pid), self.ids.kernel(task.tid)) else {
                continue;
            };
            // They do, or there is no room: then its holds are told as nobody's.
            let _ = self.pthreads.insert(Pthread { pointer: *pointer, pid, pad: 0 }, tid, NO_EXIST);
        }
        Ok(())
    }

    /// Switches counting on.
    ///
    /// # Errors
    /// When the kernel refuses the write.
    pub fn start(&mut self, now_ns: u64) -> Result<(), Error> {
        self.state = Control { running: 1, started_ns: now_ns, ..self.state };
        if !namespace::is_initial() {
            let tasks = tasks::list(&mut self.ebpf)?;
            let ours = tasks.first().map_or((0, 0), |task| (task.level, task.namespace));
            (self.state.pid_level, self.state.pid_namespace) = ours;
        }
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

    /// Begins to detach all that is attached, breakpoints that others hold aside: what was counted stays. Dropping the
    /// probes waits for the end of it.
    pub fn detach(&mut self) {
        self.entries.drain(..).for_each(|breakpoint| self.remover.remove(breakpoint));
        self.clock.drain(..).for_each(|link| self.remover.remove(link));
        self.tracepoints.drain(..).chain(self.reads.take()).for_each(|link| self.remover.remove(link));
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

    /// Whether breakpoints are being removed one after the other: to set another one meanwhile takes as long, a tenth of a
    /// second or more.
    #[must_use]
    pub fn is_removing(&self) -> bool {
        self.multi.is_none() && self.remover.left() > 0
    }

    /// The plan that they were loaded for.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
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

/// The set of those that are traced.
fn words_of(ebpf: &mut Ebpf) -> Result<(Words, MapData), Error> {
    let Some(Map::Array(map)) = ebpf.take_map("TRACED") else {
        return Err(Error::Kernel { act: "find a map in the object", reason: "TRACED".to_owned() });
    };
    let words = Words::map(map.fd(), (NUMBERS / u64::BITS) as usize);
    let words = words.map_err(|error| Error::system("map the set of traced processes", &error))?;
    Ok((words, map))
}

/// Probes run inside RCU read sections, and this is the kernel's way to wait for all of those. Kernels with full
/// dynamic ticks refuse it; no probe runs for longer than the pause.
/// <https://github.com/torvalds/linux/blob/v6.12/kernel/sched/membarrier.c#L607>
fn wait_for_probes() {
    const LONGER_THAN_ANY_PROBE: Duration = Duration::from_millis(50);
    if crate::sys::membarrier::global().is_err() {
        thread::sleep(LONGER_THAN_ANY_PROBE);
    }
}
