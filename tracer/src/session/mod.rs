//! One run: attach, watch, finish.

mod baseline;
mod budget;
mod cpu;
mod descriptions;
mod event_collector;
mod finish;
mod losses;
mod part_time;
mod relay;
mod replay;
mod rules;
mod run;
mod shed_list;
mod still_asleep;
mod stop;
mod titles;
mod triggers;
mod watchers;

use std::time::{Duration, Instant};

pub use event_collector::Listener;
pub use replay::{EventFilter, Range, Replayed, View, replay};
pub use rules::Rule;
pub use triggers::{Trigger, Triggers};

use crate::attach::{self, Plan, Probes};
use crate::event::Pid;
use crate::recording::Recorder;
use crate::report::{Ended, Report};
use crate::roots::Root;
use crate::selection::Selection;
use run::Run;
use stop::{Alive, StopSignals};

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which probes, and how large their maps are.
    pub plan: Plan,
    /// Trace children too.
    pub follow: bool,
    /// How long; until stopped if `None`.
    pub duration: Option<Duration>,
    /// What tracing may cost the target, as a share of its CPU time.
    pub budget: Option<f64>,
    /// Reads were asked for by name: they are watched also where that costs the whole machine much.
    pub reads_by_name: bool,
    /// What ends the run early.
    pub until: Option<Rule>,
    /// Processes that are selected and come later are traced too; the run does not end with the first ones.
    pub selection: Option<Selection>,
    /// When to save what is recorded, where only the last of it is kept.
    pub triggers: Option<Triggers>,
}

/// What watches a run: the program, a test.
pub trait Watch: Listener {
    /// Everything is attached and counted from now on.
    fn attached(&mut self, roots: &[Root], took: Duration);
    /// A process that is selected has come, and is traced.
    fn joined(&mut self, pid: Pid);
    /// Some time has passed.
    fn progress(&mut self, elapsed: Duration, events: u64, lost: u64);
    /// All that has happened so far has been sent.
    fn caught_up(&mut self);
    /// Whether SIGINT, SIGTERM and SIGHUP end the run with its report, once and for all: they are the program's own.
    fn takes_signals(&self) -> bool {
        true
    }
    /// The run is not watched any more, and ends.
    fn is_over(&self) -> bool {
        false
    }
    /// What records the run.
    fn recorder(&mut self) -> Option<&mut Recorder> {
        None
    }
    /// The window has ended; the report follows.
    fn ended(&mut self, why: Ended);
}

/// A finished run. Dropping it detaches the probes, which may take a while: show the report first.
pub struct Finished {
    /// What was found out.
    pub report: Report,
    _probes: Probes,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            plan: Plan::default(),
            follow: true,
            duration: None,
            budget: Some(Self::BUDGET),
            reads_by_name: false,
            until: None,
            selection: None,
            triggers: None,
        }
    }
}

impl Options {
    /// What tracing may cost, if nothing is said of it.
    pub const BUDGET: f64 = 0.03;
}

/// Traces the roots until the run ends. Blocks.
///
/// # Errors
/// When the kernel does not take the probes.
pub fn run(options: &Options, roots: &[Root], watch: &mut dyn Watch) -> Result<Finished, attach::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| attach::Error::system("start", &error))?;
    runtime.block_on(trace(options, roots, watch))
}

async fn trace(options: &Options, roots: &[Root], watch: &mut dyn Watch) -> Result<Finished, attach::Error> {
    let signals = watch.takes_signals().then(StopSignals::watch).transpose();
    let mut signals = signals.map_err(|error| attach::Error::system("watch for signals", &error))?;
    let alive = Alive::watch(roots).map_err(|error| attach::Error::system("watch the target", &error))?;
    let mut run = Run::begin(options, roots, watch, signals.as_ref())?;
    let end = run.end_of_window();
    let ended = tokio::select! {
        ended = run.watch() => ended?,
        () = pass(end) => Ended::Duration,
        () = first(signals.as_mut()) => Ended::Interrupt,
        () = alive.all_ended(), if options.selection.is_none() => Ended::TargetExited,
    };
    let finished = run.finish(ended);
    signals.iter().for_each(StopSignals::report_is_made);
    finished
}

async fn first(signals: Option<&mut StopSignals>) {
    match signals {
        Some(signals) => signals.first().await,
        None => std::future::pending().await,
    }
}

async fn pass(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end.into()).await,
        None => std::future::pending().await,
    }
}
