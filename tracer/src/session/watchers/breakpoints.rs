//! In which processes there are breakpoints of one kind: which ones get them next, and when they are given up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracer_common::counters::Probe;

use super::breakpoint_cost::BreakpointCost;
use super::{Watcher, WatcherContext};
use crate::attach::{Error, Probes, Refused, TrapCost};
use crate::event::{Nanos, Pid};
use crate::python::Interpreter;
use crate::timeline::Home;

/// Most children do not live that long, and breakpoints in each would cost more than they show.
const YOUNG: Duration = Duration::from_millis(20);
/// While others are removed one after the other, to set one takes a tenth of a second, in which nothing else is done.
const YOUNG_WHILE_REMOVING: Duration = Duration::from_secs(1);
/// How long breakpoints are set at a time.
const AT_ONCE: Duration = Duration::from_millis(300);

/// What one kind of breakpoints shows, and where they lie.
pub trait BreakpointKind {
    /// What is kept of a process beside its interpreter.
    type Process;

    /// What they show, as in "… of process 7 is not seen".
    const DETAIL: &str;
    /// What becomes of a process that there is no room for.
    const WITHOUT_ROOM: State;
    /// Whether nothing else says what is missing of a process that ended before it had them.
    const REPORTS_MISSED: bool;
    /// The probes whose hits are compared with the budget.
    const COUNTED: &[Probe];

    /// A process has come.
    fn come(
        &mut self,
        context: &mut WatcherContext<'_>,
        pid: Pid,
        interpreter: &Interpreter,
    ) -> Self::Process;

    /// A process has gone, or runs another program.
    fn gone(&mut self, context: &mut WatcherContext<'_>, pid: Pid, process: &WatchedProcess<Self::Process>);

    /// Whether this interpreter has the places for them.
    fn has_places(interpreter: &Interpreter) -> bool;

    /// Why no more are set at a time.
    fn why_full() -> String;

    /// As many as are worth it are set, or are being removed.
    fn is_full(&self, probes: &Probes) -> bool;

    /// Sets them; whether it was time to.
    ///
    /// # Errors
    /// When the process is gone, or the kernel refuses.
    fn set(
        &mut self,
        context: &mut WatcherContext<'_>,
        pid: Pid,
        process: &mut WatchedProcess<Self::Process>,
    ) -> Result<bool, Refused>;

    /// Removes them from one process.
    fn clear(
        &mut self,
        context: &mut WatcherContext<'_>,
        pid: Pid,
        process: &mut WatchedProcess<Self::Process>,
    );

    /// Begins to remove all of them.
    fn release(&mut self, probes: &mut Probes);

    /// What one hit costs, its program aside, as far as is known before it is measured.
    fn trap_ns(&self) -> Nanos;

    /// See [`Watcher::trap_costs`].
    fn trap_costs(&self, cost: &TrapCost) -> Vec<(Probe, Nanos)>;

    /// See [`Watcher::start`].
    fn start(&mut self, _: &mut WatchedProcesses<Self::Process>) {}

    /// See [`Watcher::check_budget`]: between two seconds.
    fn check_briefly(
        &mut self,
        _: &mut WatcherContext<'_>,
        _: &BreakpointCost<'_>,
        _part_ns: Nanos,
        _: &mut WatchedProcesses<Self::Process>,
    ) {
    }

    /// See [`Watcher::pass_second`].
    fn pass_second(
        &mut self,
        _: &mut WatcherContext<'_>,
        _: &BreakpointCost<'_>,
        _: &mut WatchedProcesses<Self::Process>,
    ) {
    }

    /// See [`Watcher::stop`].
    fn stop(&mut self, _: &mut WatchedProcesses<Self::Process>) {}

    /// See [`Watcher::finish`].
    fn finish(
        &mut self,
        context: &mut WatcherContext<'_>,
        end_ns: Nanos,
        processes: &WatchedProcesses<Self::Process>,
    );
}

/// All processes of traced ones that run a Python.
pub type WatchedProcesses<P> = HashMap<Pid, WatchedProcess<P>>;

/// A process that has breakpoints, or will have if it lives on.
pub struct WatchedProcess<P> {
    /// What runs in it.
    pub interpreter: Arc<Interpreter>,
    home: Home,
    /// When it was seen first.
    since: Instant,
    /// Whether it has them.
    pub state: State,
    /// Others' breakpoints were being removed when it was its turn.
    postponed: bool,
    /// What its kind keeps of it.
    pub own: P,
}

/// Whether a process has breakpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not yet.
    New,
    /// There was no room; others may make some.
    Waiting,
    /// It has.
    Watched,
    /// It gets none.
    Refused,
}

/// Sets one kind of breakpoints, and removes them.
pub struct BreakpointWatcher<K: BreakpointKind> {
    kind: K,
    processes: WatchedProcesses<K::Process>,
    /// They cost too much: none is set any more.
    given_up: bool,
}

impl<K: BreakpointKind> BreakpointWatcher<K> {
    /// None yet.
    pub fn new(kind: K) -> Self {
        Self { kind, processes: HashMap::new(), given_up: false }
    }

    /// Forgets processes that have gone or run another program, and takes note of new ones.
    fn follow(&mut self, context: &mut WatcherContext<'_>) {
        let spaces = &*context.spaces;
        let stays = |pid, process: &WatchedProcess<_>| spaces.home_of(pid) == Some(process.home);
        let gone: Vec<_> = self.processes.extract_if(|&pid, process| !stays(pid, process)).collect();
        let mut new = Vec::new();
        for (pid, home, interpreter) in spaces.processes() {
            match self.processes.get_mut(&pid) {
                // It may have made since what is looked for in it.
                Some(process) => process.interpreter.clone_from(interpreter),
                None => new.push((pid, home, interpreter.clone())),
            }
        }
        for (pid, process) in gone {
            if K::REPORTS_MISSED && process.state == State::New && process.postponed {
                context.shed_once(detail::<K>("processes that ended early"), || {
                    "removing breakpoints from processes that have ended is slow, and none is set meanwhile".into()
                });
            }
            self.kind.gone(context, pid, &process);
        }
        for (pid, home, interpreter) in new {
            let own = self.kind.come(context, pid, &interpreter);
            self.processes.insert(pid, WatchedProcess::new(interpreter, home, own));
        }
    }

    /// Processes that get breakpoints now: those that are no longer young, one at a time while others are removed.
    fn due(&mut self, probes: &Probes) -> Vec<Pid> {
        let is_removing = probes.is_removing();
        let mut due: Vec<_> = self.waiting(probes).collect();
        if is_removing {
            let old_enough = due.iter_mut().filter(|(_, process)| process.since.elapsed() >= YOUNG);
            old_enough.for_each(|(_, process)| process.postponed = true);
        }
        grown(due.into_iter().map(|(pid, process)| (pid, process.since)), is_removing)
    }

    /// Processes that have none yet, and would if it were their turn.
    fn waiting(&mut self, probes: &Probes) -> impl Iterator<Item = (Pid, &mut WatchedProcess<K::Process>)> {
        let (given_up, has_room) = (self.given_up, !self.kind.is_full(probes));
        let waits = move |process: &WatchedProcess<_>| match process.state {
            State::New => K::has_places(&process.interpreter),
            State::Waiting => has_room,
            State::Watched | State::Refused => false,
        };
        let processes = self.processes.iter_mut().map(|(pid, process)| (*pid, process));
        processes.filter(move |(_, process)| !given_up && waits(process))
    }

    fn set(&mut self, context: &mut WatcherContext<'_>, pid: Pid) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        if self.kind.is_full(context.probes) {
            process.state = K::WITHOUT_ROOM;
            context.shed_once(detail::<K>("further processes"), K::why_full);
            return;
        }
        if let Some(why) = process.interpreter.mapped_too_often() {
            process.state = State::Refused;
            context.shed(detail::<K>(&format!("process {pid}")), why);
            return;
        }
        match self.kind.set(context, pid, process) {
            Ok(true) => process.state = State::Watched,
            Ok(false) | Err(Refused::Gone) => {}
            Err(Refused::Kernel(why)) => {
                process.state = State::Refused;
                context.shed(detail::<K>(&format!("process {pid}")), why.to_string());
            }
        }
    }

    /// Takes them out of all processes if they were hit too often.
    fn check_cost(&mut self, context: &mut WatcherContext<'_>, cost: &BreakpointCost<'_>) {
        let why = cost.too_many(K::COUNTED, self.kind.trap_ns());
        let Some(why) = why.filter(|_| !self.given_up) else { return };
        self.given_up = true;
        context.shed(detail::<K>("all processes"), why);
        for (&pid, process) in &mut self.processes {
            if process.state == State::Watched {
                self.kind.clear(context, pid, process);
            }
        }
    }
    /// As many of these as there is time for: among a hundred processes that fork without pause the kernel takes half a
    /// second to set one, in which nothing else is done. The others come at the next poll.
    fn set_in_time(&mut self, context: &mut WatcherContext<'_>, pids: Vec<Pid>) {
        let began = Instant::now();
        let in_time = pids.into_iter().take_while(|_| began.elapsed() < AT_ONCE);
        in_time.for_each(|pid| self.set(context, pid));
    }
}

impl<K: BreakpointKind> Watcher for BreakpointWatcher<K> {
    /// Breakpoints in many processes take long: all are set before the window starts.
    fn prepare(&mut self, context: &mut WatcherContext<'_>) -> Result<(), Error> {
        self.follow(context);
        let all = self.waiting(context.probes).map(|(pid, _)| pid).collect();
        self.set_in_time(context, all);
        Ok(())
    }

    fn start(&mut self) {
        self.kind.start(&mut self.processes);
    }

    fn poll(&mut self, context: &mut WatcherContext<'_>) -> Result<(), Error> {
        self.follow(context);
        let due = self.due(context.probes);
        self.set_in_time(context, due);
        Ok(())
    }

    fn check_budget(&mut self, context: &mut WatcherContext<'_>, cost: &BreakpointCost<'_>) {
        self.check_cost(context, cost);
        if let Some(part_ns) = cost.part_ns {
            self.kind.check_briefly(context, cost, part_ns, &mut self.processes);
        }
    }

    fn pass_second(&mut self, context: &mut WatcherContext<'_>, cost: &BreakpointCost<'_>) {
        self.kind.pass_second(context, cost, &mut self.processes);
    }

    fn stop(&mut self) {
        self.kind.stop(&mut self.processes);
    }

    fn release(&mut self, probes: &mut Probes) {
        self.kind.release(probes);
    }

    fn finish(&mut self, context: &mut WatcherContext<'_>, end_ns: Nanos) {
        self.kind.finish(context, end_ns, &self.processes);
    }

    fn trap_costs(&self, cost: &TrapCost) -> Vec<(Probe, Nanos)> {
        self.kind.trap_costs(cost)
    }
}

impl<P> WatchedProcess<P> {
    fn new(interpreter: Arc<Interpreter>, home: Home, own: P) -> Self {
        Self { interpreter, home, since: Instant::now(), state: State::New, postponed: false, own }
    }
}

/// What is not seen.
pub fn detail<K: BreakpointKind>(whose: &str) -> String {
    format!("{} of {whose}", K::DETAIL)
}

/// Of processes that were seen first at such a time, those that are old enough.
fn grown<T>(new: impl Iterator<Item = (T, Instant)>, is_removing: bool) -> Vec<T> {
    let (age, most) = if is_removing { (YOUNG_WHILE_REMOVING, 1) } else { (YOUNG, usize::MAX) };
    new.filter(|(_, since)| since.elapsed() >= age).map(|(process, _)| process).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removals_keep_the_young_ones_waiting() {
        let ago = |ms| Instant::now().checked_sub(Duration::from_millis(ms)).unwrap();
        let new = || [(1, ago(0)), (2, ago(500)), (3, ago(1_500)), (4, ago(2_000))].into_iter();
        assert_eq!(grown(new(), false), [2, 3, 4]);
        assert_eq!(grown(new(), true), [3]);
    }
}
