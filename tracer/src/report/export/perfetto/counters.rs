//! What threads did over time: a counter for each state of a thread, its value being the time in it of each step.

use super::schema::{Counter, Kind, TrackDescriptor, TrackEvent};
use super::{At, THREAD_STATES, thread_track};
use crate::report::{OverTime, Report, ThreadState};

/// `UNIT_TIME_NS` of `CounterDescriptor.Unit`.
const NANOSECONDS: i32 = 1;

/// One counter.
struct StateOverTime<'a> {
    track: u64,
    parent: u64,
    state: ThreadState,
    steps: &'a [u64],
}

fn counters(over_time: &OverTime) -> impl Iterator<Item = StateOverTime<'_>> {
    over_time.threads.rows.iter().enumerate().flat_map(|(row, thread)| {
        thread.states.iter().map(move |(state, steps)| StateOverTime {
            track: THREAD_STATES | (row as u64) << 8 | *state as u64,
            parent: thread_track(thread.pid, thread.tid),
            state: *state,
            steps,
        })
    })
}

/// Their tracks, below those of their threads.
pub fn tracks(report: &Report) -> impl Iterator<Item = TrackDescriptor> {
    counters(&report.over_time).map(|counter| TrackDescriptor {
        uuid: counter.track,
        name: Some(format!("{} in each step", counter.state)),
        parent_uuid: Some(counter.parent),
        counter: Some(Counter { unit: Some(NANOSECONDS) }),
        ..TrackDescriptor::default()
    })
}

/// Their values: each from the start of its step on, and 0 at the end of the last one.
pub fn values(report: &Report) -> impl Iterator<Item = At> {
    let (step_ns, end) = (report.over_time.step_ns, report.window.duration_ns);
    counters(&report.over_time).flat_map(move |counter| {
        let steps = counter.steps.iter().copied().chain([0]).enumerate();
        steps.map(move |(step, ns)| {
            let at_ns = step_ns.saturating_mul(step as u64).min(end);
            let event = TrackEvent {
                kind: Kind::Counter as i32,
                track_uuid: counter.track,
                counter_value: Some(ns.try_into().unwrap_or(i64::MAX)),
                ..TrackEvent::default()
            };
            At { at_ns, event: Some(event), stack: None }
        })
    })
}
