//! The loaded probes: attached, switched on, given what to trace, switched off.

use std::borrow::Cow;
use std::path::Path;
use std::thread;

use aya::Ebpf;
use aya::maps::{HashMap, MapData, RingBuf};
use tracer_common::gil::Pthread;
use tracer_common::switch::{SwitchKey, Thread};
use tracer_common::target::Target;

use crate::attach::breakpoints::multi::Multi;
use crate::attach::breakpoints::{Breakpoint, Breakpoints, Refused};
use crate::attach::by_name::take;
use crate::attach::direct_map::KnownMemory;
use crate::attach::error::Error;
use crate::attach::hooks::Hooks;
use crate::attach::ids::{Ids, numbers_of};
use crate::attach::load::{self, object};
use crate::attach::maps::targets::Targets;
use crate::attach::plan::{ENTRY, Plan};
use crate::attach::run_switch::{RunSwitch, wait_for_probes};
use crate::attach::tasks;
use crate::decode;
use crate::event::{Event, Pid, Task};
use crate::kernel::btf::Btf;
use crate::kernel::features::Features;
use crate::process::{Process, namespace};
use crate::python::eval::EvalFrame;
use crate::sys::in_flight;

/// `BPF_NOEXIST`
const NO_EXIST: u64 = 1;

/// The probes in the kernel. Dropping them detaches them.
pub struct Probes {
    pub(in crate::attach) ebpf: Ebpf,
    plan: Plan,
    switch: RunSwitch,
    hooks: Hooks,
    targets: Targets,
    pub(in crate::attach) threads: HashMap<MapData, u32, Thread>,
    pthreads: HashMap<MapData, Pthread, u32>,
    entries: Vec<Breakpoint>,
    ids: Ids,
    pub(in crate::attach) breakpoints: Breakpoints,
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
        let known_memory = KnownMemory::new();
        let wide = known_memory.globals();
        let object = object::for_kernel(rdonly_cast);
        let mut ebpf = load::object(loader, &globals, &plan, &object, &wide)?;
        let multi = Multi::new(&object, &ebpf).filter(|_| plan.has_breakpoints());
        let multi = load::programs(&mut ebpf, multi, &plan, &kernel)?;
        let mut switch = RunSwitch::new(&mut ebpf)?;
        // Without the cast nobody asks where it is.
        if rdonly_cast.is_some() {
            switch.find_direct_map(&mut ebpf, &known_memory)?;
        }
        Ok(Self {
            targets: Targets::new(&mut ebpf)?,
            threads: take(&mut ebpf, "THREADS", HashMap::try_from)?,
            pthreads: take(&mut ebpf, "PTHREADS", HashMap::try_from)?,
            switch,
            hooks: Hooks::default(),
            entries: Vec::new(),
            ids: Ids::new(namespace::is_initial()),
            breakpoints: Breakpoints::new(multi),
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
        self.hooks = Hooks::attach(&mut self.ebpf, &self.plan)?;
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
        self.hooks.watch_reads(&mut self.ebpf, wanted)
    }

    /// Whether reads are watched now.
    #[must_use]
    pub fn watches_reads(&self) -> bool {
        self.hooks.watch_reads_now()
    }

    /// Whether a target runs at all: while none does, the clocks' periods are not changed.
    pub fn clocks_follow(&mut self, is_busy: bool) {
        self.hooks.clocks_follow(is_busy);
    }

    /// Writes into the map where threads have been asleep since before the window, unless they have switched since: whether it was
    /// new, for each.
    ///
    /// # Errors
    /// When the kernel does not list the tasks of our pid namespace.
    pub fn assume_asleep(&mut self, threads: &[Thread]) -> Result<Vec<bool>, Error> {
        self.learn_ids()?;
        let mut seed = |thread: &Thread| {
            let (pid, tid) = (self.ids.kernel(thread.key.pid)?, self.ids.kernel(thread.key.tid)?);
            let thread = Thread { key: SwitchKey { pid, tid, ..thread.key }, ..*thread };
            self.threads.insert(tid, thread, NO_EXIST).ok()
        };
        Ok(threads.iter().map(|thread| seed(thread).is_some()).collect())
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

    /// A message's or a row's, if they are new: the message of their birth was lost, or came before the first.
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

    /// Writes the `pthread_self()` of threads into the map, unless the probes know it already.
    ///
    /// # Errors
    /// When the kernel does not list the tasks of our pid namespace.
    pub fn introduce(&mut self, threads: &[(Task, u64)]) -> Result<(), Error> {
        self.learn_ids()?;
        for (task, pointer) in threads {
            let (Some(pid), Some(tid)) = (self.ids.kernel(task.pid), self.ids.kernel(task.tid)) else {
                continue;
            };
            // They do, or there is no room: then its holds are reported as nobody's.
            let _ = self.pthreads.insert(Pthread { pointer: *pointer, pid, pad: 0 }, tid, NO_EXIST);
        }
        Ok(())
    }

    /// Switches counting on.
    ///
    /// # Errors
    /// When the kernel refuses the write.
    pub fn start(&mut self, now_ns: u64) -> Result<(), Error> {
        let tasks = if namespace::is_initial() { Vec::new() } else { tasks::list(&mut self.ebpf)? };
        self.switch.start(now_ns, tasks.first())
    }

    /// Switches counting off: only probes that run already go on until they end.
    ///
    /// # Errors
    /// When the kernel refuses the write.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.switch.stop()
    }

    /// Waits until those have ended.
    pub fn settle(&self) {
        wait_for_probes();
    }

    /// Begins to detach all that is attached, breakpoints that others hold aside: what was counted stays. Dropping the
    /// probes waits for the end of it.
    pub fn detach(&mut self) {
        in_flight::close_at_once();
        self.entries.drain(..).for_each(|breakpoint| self.breakpoints.remove(breakpoint));
        let rest = self.hooks.detach();
        self.breakpoints.remove(rest);
    }

    /// See [`RunSwitch::next_epoch`].
    pub(in crate::attach) fn next_epoch(&mut self) -> Result<u32, Error> {
        self.switch.next_epoch()
    }

    /// Sheds and thins detail, see `tracer_common::control`.
    ///
    /// # Errors
    /// When the kernel refuses the write.
    pub fn shed(&mut self, shed: u32, thinning: u32) -> Result<(), Error> {
        self.switch.shed(shed, thinning)
    }

    /// Traces a process, and those that it forks from now on.
    ///
    /// # Errors
    /// When the table is full.
    pub fn trace(&mut self, pid: Pid, target: &Target) -> Result<(), Error> {
        let Some(id) = self.kernel_id(pid)? else { return Ok(()) };
        self.targets.insert(id, target)
    }

    /// What is known of a process that is traced.
    ///
    /// # Errors
    /// When the kernel does not list the tasks of our pid namespace.
    pub fn target(&mut self, pid: Pid) -> Result<Option<Target>, Error> {
        Ok(self.kernel_id(pid)?.and_then(|id| self.targets.get(id)))
    }

    /// See [`Targets::identify`].
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn identify(&mut self, process: &Process, before: &Target, found: &Target) -> Result<bool, Error> {
        let id = self.kernel_id(process.pid)?.filter(|_| process.is_alive());
        id.map_or(Ok(false), |id| self.targets.identify(id, process, before, found))
    }

    /// Sets breakpoints of a program at these offsets of a file.
    pub(in crate::attach) fn set(
        &mut self,
        name: &'static str,
        pid: Pid,
        path: &Path,
        offsets: &[u64],
    ) -> Result<Breakpoint, Refused> {
        self.breakpoints.set(&mut self.ebpf, name, pid, path, offsets)
    }

    /// Whether breakpoints are being removed one after the other: to set another one meanwhile takes as long, a tenth of a
    /// second or more.
    #[must_use]
    pub fn is_removing(&self) -> bool {
        !self.breakpoints.are_many_at_once() && self.breakpoints.left() > 0
    }

    /// The plan that they were loaded for.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}
