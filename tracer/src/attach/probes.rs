//! The loaded probes: attached, switched on, told what to trace, switched off.

use std::borrow::Cow;
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData, MapError, RingBuf};
use aya::programs::tp_btf::BtfTracePointLink;
use aya::programs::{BtfTracePoint, PerfEvent};
use tracer_common::control::Control;
use tracer_common::gil::Pthread;
use tracer_common::switch::{SwitchKey, Thread};

use crate::attach::breakpoints::multi::Multi;
use crate::attach::breakpoints::remover::Remover;
use crate::attach::breakpoints::{Breakpoint, Refused};
use crate::attach::clock::Clocks;
use crate::attach::error::Error;
use crate::attach::ids::{Ids, numbers_of};
use crate::attach::load::{self, object};
use crate::attach::maps::targets::Targets;
use crate::attach::plan::{ENTRY, Plan, SAMPLE};
use crate::attach::{direct_map, tasks};
use crate::decode;
use crate::event::{Event, Pid, Task};
use crate::kernel::btf::Btf;
use crate::kernel::features::Features;
use crate::process::namespace;
use crate::python::eval::EvalFrame;
use crate::sys::in_flight;

/// The hook of reads.
pub(in crate::attach) const READS: &str = "sys_exit";
/// `BPF_NOEXIST`
const NO_EXIST: u64 = 1;

/// The probes in the kernel. Dropping them detaches them.
pub struct Probes {
    pub(in crate::attach) ebpf: Ebpf,
    plan: Plan,
    control: Array<MapData, Control>,
    state: Control,
    pub(in crate::attach) targets: Targets,
    pub(in crate::attach) threads: HashMap<MapData, u32, Thread>,
    pthreads: HashMap<MapData, Pthread, u32>,
    entries: Vec<Breakpoint>,
    /// The hook of reads, while they are watched.
    reads: Option<BtfTracePointLink>,
    tracepoints: Vec<BtfTracePointLink>,
    clocks: Option<Clocks>,
    ids: Ids,
    /// `None` where the kernel has no links of many breakpoints.
    pub(in crate::attach) multi: Option<Multi>,
    /// Dropped last, and waited for.
    pub(in crate::attach) remover: Remover,
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
        let Features { mut globals, rdonly_cast } = Features::from_btf(&kernel)?;
        globals.extend([("DEPTH", plan.depth), ("RING_WATERMARK", plan.ring_bytes / 2)]);
        let loader = loader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let known_memory = direct_map::KnownMemory::new();
        let wide = known_memory.globals();
        let object = object::for_kernel(rdonly_cast);
        let mut ebpf = load::object(loader, &globals, &plan, &object, &wide)?;
        let multi = Multi::new(&object, &ebpf).filter(|_| plan.has_breakpoints());
        let multi = load::programs(&mut ebpf, multi, &plan, &kernel)?;
        let mut control = take(&mut ebpf, "CONTROL", Array::try_from)?;
        // Without the cast nobody asks where it is.
        let direct_map = match rdonly_cast {
            Some(_) => direct_map::find(&mut ebpf, &mut control, &known_memory)?,
            None => 0,
        };
        Ok(Self {
            control,
            targets: Targets::new(&mut ebpf)?,
            threads: take(&mut ebpf, "THREADS", HashMap::try_from)?,
            pthreads: take(&mut ebpf, "PTHREADS", HashMap::try_from)?,
            state: Control { direct_map, ..Control::default() },
            entries: Vec::new(),
            reads: None,
            tracepoints: Vec::new(),
            clocks: None,
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
        let cpus = aya::util::online_cpus().map_err(|(_, error)| Error::new("list the CPUs", &error))?;
        let rate_hz = self.plan.rate_hz;
        let program: &mut PerfEvent = program(&mut self.ebpf, SAMPLE)?;
        let program = program.fd().map_err(|error| Error::of_probe(SAMPLE, &error))?;
        self.clocks = Some(Clocks::start(&cpus, rate_hz, program.as_fd())?);
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
            match self.set(ENTRY, pid, &place.path, &[place.file_offset]) {
                Ok(breakpoint) => self.entries.push(breakpoint),
                Err(Refused::Gone) => {} // the others are traced
                Err(Refused::Kernel(error)) => return Err(error),
            }
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
    pub(in crate::attach) fn kernel_id(&mut self, pid: Pid) -> Result<Option<u32>, Error> {
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

    /// Switches counting off: only probes that run already go on until they end.
    ///
    /// # Errors
    /// When the kernel refuses the write.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.state.running = 0;
        self.write_control()
    }

    /// Waits until those have ended.
    pub fn settle(&self) {
        wait_for_probes();
    }

    /// Begins to detach all that is attached, breakpoints that others hold aside: what was counted stays. Dropping the
    /// probes waits for the end of it.
    pub fn detach(&mut self) {
        in_flight::close_at_once();
        self.entries.drain(..).for_each(|breakpoint| self.remover.remove(breakpoint));
        self.clocks.iter_mut().for_each(Clocks::close);
        self.remover.remove((std::mem::take(&mut self.tracepoints), self.reads.take()));
    }

    /// Begins a new epoch and waits until no probe adds to the old one, while any counts; returns the old one.
    pub(in crate::attach) fn next_epoch(&mut self) -> Result<u32, Error> {
        let old = self.state.epoch;
        self.state.epoch = old.wrapping_add(1);
        self.write_control()?;
        if self.state.running != 0 {
            wait_for_probes();
        }
        Ok(old)
    }

    /// Sheds and thins detail, see `tracer_common::control`.
    ///
    /// # Errors
    /// When the kernel refuses the write.
    pub fn shed(&mut self, shed: u32, thinning: u32) -> Result<(), Error> {
        (self.state.shed, self.state.thinning) = (shed, thinning);
        self.write_control()
    }

    fn write_control(&mut self) -> Result<(), Error> {
        self.control.set(0, self.state, 0).map_err(|error| Error::new("switch the probes", &error))
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
pub(in crate::attach) fn program<'a, P>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut P, Error>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = aya::programs::ProgramError>,
{
    let missing = || Error::Kernel { act: "find a probe in the object", reason: name.to_owned() };
    ebpf.program_mut(name).ok_or_else(missing)?.try_into().map_err(|error| Error::of_probe(name, &error))
}

/// A map of the object by its name.
pub(in crate::attach) fn take<M>(
    ebpf: &mut Ebpf,
    name: &'static str,
    make: impl FnOnce(aya::maps::Map) -> Result<M, MapError>,
) -> Result<M, Error> {
    let missing = || Error::Kernel { act: "find a map in the object", reason: name.to_owned() };
    make(ebpf.take_map(name).ok_or_else(missing)?).map_err(|error| Error::new("open a map", &error))
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
