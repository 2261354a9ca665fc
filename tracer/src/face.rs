//! What the library offers: traces, dumps and signals of running Python processes.

use std::time::Duration;

use crate::dispositions::{self, Signals};
use crate::dump::{self, Dump};
use crate::error::Error;
use crate::event::{Event, Pid};
use crate::report::{Ended, Report};
use crate::roots::Root;
use crate::sections::{Section, Sections};
use crate::session::{self, Listener, Options, Watch};
use crate::timeline::Names;

/// One trace of running Python processes.
///
/// It needs root, or `CAP_BPF`, `CAP_PERFMON`, `CAP_SYS_PTRACE` and `CAP_SYS_ADMIN`.
#[derive(Debug)]
pub struct Trace;

/// What to trace, and how. What is not said is as `tracer --pid` has it.
#[derive(Clone, Debug)]
#[must_use]
pub struct TraceBuilder {
    pids: Vec<u32>,
    options: Options,
}

impl Trace {
    /// A trace without targets yet.
    ///
    /// ```no_run
    /// # // Not run, since it needs root.
    /// use std::time::Duration;
    ///
    /// let report = tracer::Trace::builder().pid(4242).duration(Duration::from_secs(10)).run()?;
    /// for finding in &report.findings.rows {
    ///     println!("{}", finding.text);
    /// }
    /// # Ok::<(), tracer::Error>(())
    /// ```
    pub fn builder() -> TraceBuilder {
        TraceBuilder { pids: Vec::new(), options: Options::default() }
    }
}

impl TraceBuilder {
    /// Traces this process, and its children unless [`follow`](Self::follow) says otherwise.
    pub fn pid(mut self, pid: u32) -> Self {
        self.pids.push(pid);
        self
    }

    /// How long; until all of the processes have ended, if not said.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.options.duration = Some(duration);
        self
    }

    /// Traces these sections of the report alone.
    pub fn only(mut self, sections: &[Section]) -> Self {
        self.options.plan.sections = Sections::only(sections);
        self.options.reads_by_name = sections.contains(&Section::Reads);
        self
    }

    /// Whether children are traced too, present and future.
    pub fn follow(mut self, follow: bool) -> Self {
        self.options.follow = follow;
        self
    }

    /// On-CPU stack samples a second on each CPU.
    pub fn rate_hz(mut self, rate_hz: u32) -> Self {
        self.options.plan.rate_hz = rate_hz;
        self
    }

    /// Share of the processes' CPU time that tracing may cost before it records less detail; `None` for no limit.
    pub fn budget(mut self, share: Option<f64>) -> Self {
        self.options.budget = share;
        self
    }

    /// Traces, and returns when the time is over or the processes have ended. It blocks: within an async runtime, call it on
    /// a thread of its own.
    ///
    /// ```
    /// // What is no Python is refused before anything is attached.
    /// let refused = tracer::Trace::builder().pid(std::process::id()).run().unwrap_err();
    /// assert_eq!(refused.kind(), tracer::ErrorKind::NotPython);
    /// assert!(refused.to_string().contains("is not Python; try the PID of a Python process"));
    /// ```
    ///
    /// # Errors
    /// When a process cannot be traced, all are gone, or the kernel does not take the probes.
    pub fn run(self) -> Result<Report, Error> {
        let open = if self.options.follow { Root::open_families } else { Root::open_all };
        let roots = open(&self.pids, &mut |_| {})?;
        Ok(session::run(&self.options, &roots, &mut Unwatched)?.report)
    }
}

/// Where each thread of these processes is now, at most `depth` frames of each. They are not stopped. Threads that run are
/// sampled by probes, which needs the rights of a trace; those that sleep are read with `CAP_SYS_PTRACE`, or none if the
/// processes are ours.
///
/// ```
/// # use std::process::{Command, Stdio};
/// # let Ok(mut python) = Command::new("python3").args(["-c", "input()"]).stdin(Stdio::piped()).spawn() else {
/// #     return eprintln!("skipped: there is no python3");
/// # };
/// let dump = tracer::dump(&[python.id()], 64);
/// # python.kill().and_then(|()| python.wait()).unwrap();
/// for thread in &dump.unwrap().threads {
///     println!("{}: {:?}", thread.tid, thread.stack.first().map(|frame| &frame.function));
/// #   assert_eq!(thread.pid, python.id());
/// }
/// ```
///
/// # Errors
/// When one of the processes cannot be read, or all are gone.
pub fn dump(pids: &[u32], depth: u32) -> Result<Dump, Error> {
    Ok(dump::dump(pids, depth, &mut |_| {})?.dump)
}

/// What each signal would do to these processes now: what the kernel has for it, what Python calls, who holds it back. No
/// probe is loaded.
///
/// ```
/// # use std::process::{Command, Stdio};
/// # let Ok(mut python) = Command::new("python3").args(["-c", "input()"]).stdin(Stdio::piped()).spawn() else {
/// #     return eprintln!("skipped: there is no python3");
/// # };
/// let signals = tracer::signals(&[python.id()]);
/// # python.kill().and_then(|()| python.wait()).unwrap();
/// let signals = signals.unwrap();
/// assert!(signals.processes[0].signals.iter().any(|signal| signal.signal == "SIGINT"));
/// ```
///
/// # Errors
/// When one of the processes cannot be read, or all are gone.
pub fn signals(pids: &[u32]) -> Result<Signals, Error> {
    Ok(dispositions::read(pids, &mut |_| {})?)
}

/// Nobody reads it before the end.
struct Unwatched;

impl Listener for Unwatched {
    fn event(&mut self, _: &Event, _: &Names) {}
}

impl Watch for Unwatched {
    fn attached(&mut self, _: &[Root], _: Duration) {}

    fn joined(&mut self, _: Pid) {}

    fn progress(&mut self, _: Duration, _: u64, _: u64) {}

    fn caught_up(&mut self) {}

    fn ended(&mut self, _: Ended) {}

    fn takes_signals(&self) -> bool {
        false
    }
}
