//! What each thread did over time, in steps of a second and longer.
//!
//! The kernel adds a stretch of time to the row in which it ends, and rows are drained once a second. A thread is in one
//! state at a time, so that its stretches follow each other without a gap. If those of a drain are longer together than the time
//! since the drain before, the first of them began earlier: it is taken to be of the state with the most time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use tracer_common::switch::SwitchValue;

use super::causes::cause;
use super::window::Window;
use crate::event::{Event, Nanos, SwitchRow, Task};
use crate::quick::QuickMap;
use crate::report::{self, Cause, ThreadOverTime, ThreadState};

/// Length of a step, until the run is too long for it.
const STEP: Nanos = 1_000_000_000;
/// Steps at most: then two become one.
const STEPS: usize = 240;
/// Threads that are kept apart from one drain to the next.
const THREADS: usize = 128;
/// Those that are not: all together.
const OTHERS: Task = Task { pid: 0, tid: 0 };

/// Nanoseconds by state.
type States = [Nanos; ThreadState::ALL.len()];

/// The states of all threads.
#[derive(Debug)]
pub struct OverTime {
    threads: QuickMap<Task, ThreadSteps>,
    step_ns: Nanos,
    /// When rows were drained last.
    drained: Nanos,
}

/// The states of one thread.
#[derive(Debug, Default)]
struct ThreadSteps {
    /// Drained rows whose time is not placed yet.
    since_drain: States,
    /// From its first one on: most threads of some servers live for a moment of a long run.
    steps: VecDeque<States>,
    /// Which step of the run that is.
    first: usize,
    /// What all of them add up to.
    sum: States,
    /// To which moment of the window its time is placed; `None` before there is any of a thread that was not seen to begin.
    known_until: Option<Nanos>,
}

impl Default for OverTime {
    fn default() -> Self {
        Self { threads: QuickMap::default(), step_ns: STEP, drained: 0 }
    }
}

impl OverTime {
    /// Adds a drained row; or places what was drained in time.
    pub fn fold(&mut self, event: &Event) {
        match event {
            Event::Switches { key, value, .. } => {
                self.threads.entry(key.task).or_default().add(key, value);
            }
            // It has no time before that.
            Event::Fork(fork) if fork.followed => {
                self.threads.entry(fork.child).or_default().known_until = Some(fork.at);
            }
            Event::Drained { at } => self.place(*at),
            _ => {}
        }
    }

    /// The time of the rows since the last drain is that until `at`.
    fn place(&mut self, at: Nanos) {
        let at = at.max(self.drained);
        while at / self.step_ns >= STEPS as Nanos {
            self.step_ns *= 2;
            self.threads.values_mut().for_each(ThreadSteps::halve);
        }
        for steps in self.threads.values_mut() {
            steps.place((self.drained, at), self.step_ns);
        }
        self.drained = at;
        if self.threads.len() > THREADS {
            self.merge_shortest();
        }
    }

    /// Room for others: those with the least time become one.
    fn merge_shortest(&mut self) {
        let mut others = self.threads.remove(&OTHERS).unwrap_or_default();
        let mut tasks: Vec<_> =
            self.threads.iter().map(|(task, steps)| (Reverse(steps.total()), *task)).collect();
        tasks.sort_unstable();
        for (_, task) in tasks.into_iter().skip(THREADS / 2) {
            others.take(self.threads.remove(&task).unwrap_or_default());
        }
        self.threads.insert(OTHERS, others);
    }

    /// The section of the report.
    pub fn finish(
        &mut self,
        window: &Window,
        name_of: impl Fn(Task) -> Option<report::Name>,
    ) -> report::OverTime {
        self.place(window.duration_ns);
        let mut threads: Vec<_> = self.threads.iter().filter(|(_, steps)| steps.total() > 0).collect();
        threads.sort_unstable_by_key(|(task, steps)| (**task == OTHERS, Reverse(steps.awake()), **task));
        let rows = threads.into_iter().map(|(task, steps)| ThreadOverTime {
            pid: task.pid,
            tid: task.tid,
            thread_name: name_of(*task),
            states: steps.by_state(),
        });
        report::OverTime { step_ns: self.step_ns, threads: rows.collect::<Vec<_>>().into() }
    }
}

impl ThreadSteps {
    fn add(&mut self, key: &SwitchRow, value: &SwitchValue) {
        let run_queue = value.run_queue_ns.min(value.off_cpu_ns);
        for (state, ns) in [
            (ThreadState::OnCpu, value.on_cpu_ns),
            (ThreadState::RunQueue, run_queue),
            (waits(key), value.off_cpu_ns - run_queue),
        ] {
            self.since_drain[state as usize] += ns;
        }
    }

    /// Places what is new behind what is known: a thread is in one state after the other, and the one in which it still is
    /// has not been reported. Of more than the time between two drains, the first was before them.
    fn place(&mut self, (drained, at): (Nanos, Nanos), step_ns: Nanos) {
        let since_drain = std::mem::take(&mut self.since_drain);
        let total = since_drain.iter().sum::<Nanos>();
        if total == 0 {
            return;
        }
        let known = self.known_until.unwrap_or(drained).max(drained.saturating_sub(total));
        let begin = known.min(at.saturating_sub(total));
        let end = begin + total;
        self.known_until = Some(end);
        let latest = end.saturating_sub(at - drained).max(begin);
        let mut states: Vec<_> = since_drain.into_iter().enumerate().filter(|(_, ns)| *ns > 0).collect();
        states.sort_unstable_by_key(|(_, ns)| Reverse(*ns));
        let mut before = begin;
        for (state, ns) in states {
            let earlier = (latest - before).min(ns);
            self.spread(state, earlier, (before, before + earlier), step_ns);
            before += earlier;
            self.spread(state, ns - earlier, (latest, end), step_ns);
        }
    }

    /// Shares `ns` out among the steps of this time; to the unit.
    fn spread(&mut self, state: usize, ns: Nanos, (from, to): (Nanos, Nanos), step_ns: Nanos) {
        if ns == 0 {
            return;
        }
        let (first, last) = (from / step_ns, to.saturating_sub(1).max(from) / step_ns);
        let (mut left, mut time) = (ns, to - from);
        for step in first..=last {
            let part = ((step + 1) * step_ns).min(to).saturating_sub(from.max(step * step_ns));
            let share = if step == last { left } else { scaled(left, part, time) };
            (left, time) = (left - share, time - part);
            if share > 0 {
                self.step(step as usize)[state] += share;
                self.sum[state] += share;
            }
        }
    }

    fn step(&mut self, step: usize) -> &mut States {
        if self.steps.is_empty() {
            self.first = step;
        }
        while step < self.first {
            self.steps.push_front(States::default());
            self.first -= 1;
        }
        let at = step - self.first;
        if self.steps.len() <= at {
            self.steps.resize(at + 1, States::default());
        }
        &mut self.steps[at]
    }

    fn halve(&mut self) {
        let (old, first) = (std::mem::take(&mut self.steps), self.first);
        for (at, states) in old.into_iter().enumerate() {
            let sum = self.step((first + at) / 2);
            *sum = plus(*sum, Some(&states));
        }
    }

    fn take(&mut self, other: Self) {
        for (at, states) in other.steps.iter().enumerate() {
            let sum = self.step(other.first + at);
            *sum = plus(*sum, Some(states));
        }
        self.sum = plus(self.sum, Some(&other.sum));
    }

    fn total(&self) -> Nanos {
        self.sum.iter().sum()
    }

    /// On a CPU, or kept from it by others: a pool's workers wait for work at a lock.
    fn awake(&self) -> Nanos {
        [ThreadState::OnCpu, ThreadState::RunQueue, ThreadState::Gil]
            .iter()
            .map(|state| self.sum[*state as usize])
            .sum()
    }

    fn by_state(&self) -> BTreeMap<ThreadState, Vec<Nanos>> {
        let of = |state: ThreadState| {
            let before = std::iter::repeat_n(0, self.first);
            let mut steps: Vec<_> =
                before.chain(self.steps.iter().map(|states| states[state as usize])).collect();
            steps.truncate(steps.iter().rposition(|ns| *ns > 0).map_or(0, |last| last + 1));
            (state, steps)
        };
        ThreadState::ALL.into_iter().map(of).filter(|(_, steps)| !steps.is_empty()).collect()
    }
}

fn plus(mut states: States, more: Option<&States>) -> States {
    for (state, ns) in states.iter_mut().zip(more.into_iter().flatten()) {
        *state += ns;
    }
    states
}

/// As much of it as `part` is of `whole`.
fn scaled(ns: Nanos, part: Nanos, whole: Nanos) -> Nanos {
    (u128::from(ns) * u128::from(part) / u128::from(whole.max(1))) as Nanos
}

/// What a thread does off its CPU until it can run again. The file is not asked for: what is read, sent or awaited is `io`.
fn waits(key: &SwitchRow) -> ThreadState {
    match cause(key, None) {
        Cause::Gil => ThreadState::Gil,
        Cause::Lock => ThreadState::Lock,
        Cause::Read | Cause::Write | Cause::Network | Cause::Disk => ThreadState::Io,
        Cause::Poll | Cause::Sleep | Cause::Wait => ThreadState::Idle,
        Cause::Preempted | Cause::Yield => ThreadState::RunQueue,
        Cause::PageFault | Cause::Kernel | Cause::Stopped | Cause::Exit | Cause::Other | Cause::Unknown => {
            ThreadState::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::switch::flag;

    use super::*;
    use crate::report::Row as _;

    const S: Nanos = 1_000_000_000;
    const READ: u32 = 0;
    const SLEEP: u32 = 230;

    fn switches(tid: u32, syscall: u32, on_cpu_ns: Nanos, off_cpu_ns: Nanos, run_queue_ns: Nanos) -> Event {
        let key = SwitchRow {
            task: Task { pid: 7, tid },
            syscall: Some(syscall),
            flags: flag::VOLUNTARY,
            ..SwitchRow::default()
        };
        let value = SwitchValue { on_cpu_ns, off_cpu_ns, run_queue_ns, ..SwitchValue::default() };
        Event::Switches { key, value, still_blocked: 0 }
    }

    fn finished(events: impl IntoIterator<Item = Event>, duration_ns: Nanos) -> report::OverTime {
        let mut over_time = OverTime::default();
        events.into_iter().for_each(|event| over_time.fold(&event));
        over_time.finish(&Window { duration_ns, ..Window::default() }, |_| None)
    }

    fn steps(found: &report::OverTime, state: ThreadState) -> Vec<Nanos> {
        found.threads.rows[0].states.get(&state).cloned().unwrap_or_default()
    }

    #[test]
    fn a_thread_that_switches_often_is_reported_by_the_second() {
        let second = |at: Nanos| {
            [switches(8, READ, S / 4, S / 2, S / 8), switches(8, SLEEP, 0, S / 4, 0), Event::Drained { at }]
        };
        let found = finished([S, 2 * S, 3 * S].into_iter().flat_map(second), 3 * S);
        assert_eq!(found.step_ns, S);
        for (state, ns) in [
            (ThreadState::OnCpu, S / 4),
            (ThreadState::RunQueue, S / 8),
            (ThreadState::Io, S / 2 - S / 8),
            (ThreadState::Idle, S / 4),
        ] {
            assert_eq!(steps(&found, state), [ns; 3], "{state}");
        }
        assert_eq!(found.threads.rows[0].states.len(), 4, "and in no other state");
    }

    #[test]
    fn a_long_sleep_is_where_it_was_and_not_where_it_ended() {
        let on_cpu = switches(8, READ, S, 0, 0);
        let slept = switches(8, SLEEP, S / 2, 7 * S / 2, 0);
        let drained = [1, 2, 3, 4].map(|second| Event::Drained { at: second * S });
        let events = [on_cpu, drained[0].clone(), drained[1].clone(), drained[2].clone(), drained[3].clone()];
        let found = finished(events.into_iter().chain([slept, Event::Drained { at: 5 * S }]), 5 * S);
        assert_eq!(steps(&found, ThreadState::OnCpu), [S, 0, 0, 0, S / 2]);
        assert_eq!(steps(&found, ThreadState::Idle), [0, S, S, S, S / 2]);
    }

    #[test]
    fn who_runs_comes_before_who_waits_for_work_at_a_lock() {
        let events = [switches(8, 202, 1, S - 1, 0), switches(9, SLEEP, S / 10, 9 * S / 10, 0)];
        let found = finished(events, S);
        assert_eq!(found.threads.rows.iter().map(|row| row.tid).collect::<Vec<_>>(), [9, 8]);
    }

    #[test]
    fn what_was_not_drained_in_time_is_of_the_rest_of_the_window() {
        let found = finished([Event::Drained { at: S }, switches(8, READ, S / 2, 0, 0)], 3 * S / 2);
        assert_eq!(steps(&found, ThreadState::OnCpu), [0, S / 2]);
    }

    #[test]
    fn what_still_runs_at_a_drain_is_reported_at_the_next_and_where_it_was() {
        let drained = |at: Nanos, on_cpu| [switches(8, READ, on_cpu, 0, 0), Event::Drained { at }];
        let events = [drained(S / 2, S / 2), drained(3 * S / 2, 9 * S / 10), drained(5 * S / 2, 11 * S / 10)];
        let found = finished(events.into_iter().flatten(), 5 * S / 2);
        assert_eq!(steps(&found, ThreadState::OnCpu), [S, S, S / 2]);
    }

    #[test]
    fn a_long_run_has_longer_steps_and_the_same_sums() {
        let seconds = (1..=1_000).flat_map(|second| {
            [switches(8, READ, 3 * S / 10, 7 * S / 10, 0), Event::Drained { at: second * S }]
        });
        let found = finished(seconds, 1_000 * S);
        assert_eq!(found.step_ns, 8 * S);
        assert_eq!(steps(&found, ThreadState::OnCpu), [8 * 3 * S / 10; 125]);
    }

    #[test]
    fn who_comes_late_is_where_it_was_in_longer_steps_too() {
        let begun = [Event::Drained { at: 301 * S }];
        let seconds = (302..=1_000).flat_map(|second| {
            [switches(8, READ, 3 * S / 10, 7 * S / 10, 0), Event::Drained { at: second * S }]
        });
        let found = finished(begun.into_iter().chain(seconds), 1_000 * S);
        let on_cpu = steps(&found, ThreadState::OnCpu);
        assert_eq!((found.step_ns, on_cpu.len()), (8 * S, 125));
        assert!(on_cpu[..37].iter().all(|ns| *ns == 0), "{on_cpu:?}");
        assert_eq!(on_cpu[37], 3 * 3 * S / 10, "from 301 s to 304 s");
        assert!(on_cpu[38..].iter().all(|ns| *ns == 8 * 3 * S / 10), "{on_cpu:?}");
    }

    #[test]
    fn threads_without_end_lose_their_names_and_no_time() {
        let mut sum = 0;
        let threads = (1..5_000_u32).flat_map(|tid| {
            let ns = Nanos::from(tid % 977);
            sum += 3 * ns;
            [switches(tid, READ, ns, 2 * ns, ns), Event::Drained { at: Nanos::from(tid) * S / 10 }]
        });
        let worker = |at: Nanos| [switches(1_000_000, READ, S / 20, 0, 0), Event::Drained { at }];
        let events = threads.chain((1..50).flat_map(|second| worker(second * S))).collect::<Vec<_>>();
        let found = finished(events, 500 * S);
        assert_eq!(found.threads.rows[0].tid, 1_000_000, "the busiest comes first");
        let totals = found.threads.sum().totals.state_ns;
        assert_eq!(totals.values().sum::<Nanos>(), sum + 49 * S / 20);
        assert!(found.threads.rows.len() < ThreadOverTime::LIMIT);
    }
}
