//! What happened, when and on which track.

use super::schema::{Annotation, Callstack, Frame, Kind, StackSample, Task, TrackEvent, Weight};
use super::{PROCESSES, TRACER, ZOMBIES, counters, process_track, thread_track};
use crate::report::{self, Name, Report, Sentence, Signal, TargetProcess, Zombie};
use crate::units::duration;

/// `UNIT_COUNT` of `StackSample.Unit`.
const COUNT: i32 = 9;

/// One event or stack.
pub struct At {
    /// From the start of the window.
    pub at_ns: u64,
    pub event: Option<TrackEvent>,
    pub stack: Option<StackSample>,
}

/// In the order of time; what ends at a moment comes before what begins.
pub fn events(report: &Report) -> Vec<At> {
    let end = report.window.duration_ns;
    let mut events = Vec::new();
    for process in &report.target.processes.rows {
        lived(&mut events, process, end);
    }
    for zombie in &report.processes.zombies.rows {
        was_zombie(&mut events, zombie, end);
    }
    for signal in &report.signals.rows {
        signalled(&mut events, signal);
    }
    let sheds = report.overhead.shed.rows.iter();
    events.extend(
        sheds.map(|shed| {
            instant(shed.at_ns, TRACER, &format!("given up: {}", shed.what), &[("why", &shed.why)])
        }),
    );
    events.extend(counted(PROCESSES, report.target.processes.rows.iter().map(|process| life(process, end))));
    events
        .extend(counted(ZOMBIES, report.processes.zombies.rows.iter().map(|zombie| as_zombie(zombie, end))));
    events.extend(counters::values(report));
    events.sort_by_key(|at| (at.at_ns, at.event.as_ref().map(|event| event.kind != Kind::SliceEnd as i32)));
    events
}

fn life(process: &TargetProcess, end: u64) -> (u64, u64) {
    (process.at_ns.unwrap_or(0), process.ended_at_ns.unwrap_or(end))
}

/// Within the window: who was a zombie before it has a longer time than that.
fn as_zombie(zombie: &Zombie, end: u64) -> (u64, u64) {
    let since = zombie.exited_at_ns.unwrap_or(0);
    (since, since.saturating_add(zombie.zombie_ns).min(end))
}

fn lived(events: &mut Vec<At>, process: &TargetProcess, end: u64) {
    let exit = process.exit_code.map(|code| format!("exit code {code}"));
    let ended = exit.or_else(|| process.exit_signal.clone()).unwrap_or_default();
    let python = process.python.as_ref().map_or_else(String::new, Name::to_string);
    let facts = [("python", &*python), ("ended", &ended)];
    let title = if process.title.is_empty() { &process.comm } else { &process.title };
    slice(events, process_track(process.pid), &title.to_string(), life(process, end), &facts);
    let Some(at_ns) = process.at_ns else { return };
    let name = format!("fork {} ({})", process.pid, process.comm);
    events.push(instant(at_ns, process_track(process.ppid), &name, &[]));
    let stack = process.started_by.as_deref();
    events.extend(stack.map(|stack| sample(at_ns, (process.ppid, process.ppid), "forks", stack, 1)));
}

fn was_zombie(events: &mut Vec<At>, zombie: &Zombie, end: u64) {
    let bound = if zombie.end_is_upper_bound { "waited for at some moment of it" } else { "" };
    let parent = zombie.ppid.to_string();
    let facts = [("parent", &*parent), ("end", bound)];
    slice(events, process_track(zombie.pid), "zombie", as_zombie(zombie, end), &facts);
}

fn signalled(events: &mut Vec<At>, signal: &Signal) {
    let target = &signal.target;
    let track = target.tid.map_or_else(|| process_track(target.pid), |tid| thread_track(target.pid, tid));
    let sender = signal.sender.as_ref().map_or_else(|| "kernel".to_owned(), |sender| sender.comm.to_string());
    let known = |ns: Option<u64>| ns.map(duration).unwrap_or_default();
    let handler = signal.handler.as_ref().and_then(|handler| handler.started_after_ns);
    let facts = [
        ("sender", &*sender),
        ("outcome", signal.outcome.as_str()),
        ("delivered after", &known(signal.delivered_after_ns)),
        ("handler after", &known(handler)),
        ("alike", &signal.count.to_string()),
    ];
    events.push(instant(signal.at_ns, track, &signal.signal, &facts));
    let task = signal.sender.as_ref().and_then(|sender| Some((sender.pid?, sender.tid?)));
    let sent = task.zip(signal.sender_stack.as_deref());
    events.extend(sent.map(|(task, stack)| sample(signal.at_ns, task, "signals sent", stack, signal.count)));
}

/// At least 1 ns long, since of one moment the ends are written first.
fn slice(events: &mut Vec<At>, track: u64, name: &str, (from, to): (u64, u64), facts: &[(&str, &str)]) {
    events.push(event(from, track, Kind::SliceBegin, name, facts));
    events.push(event(to.max(from.saturating_add(1)), track, Kind::SliceEnd, "", &[]));
}

fn instant(at_ns: u64, track: u64, name: &str, facts: &[(&str, &str)]) -> At {
    event(at_ns, track, Kind::Instant, name, facts)
}

/// Names are safe by their type; a saved report may have others' words for ours.
fn event(at_ns: u64, track_uuid: u64, kind: Kind, name: &str, facts: &[(&str, &str)]) -> At {
    let present = facts.iter().filter(|(_, value)| !value.is_empty());
    let annotation = |(name, value): &(&str, &str)| Annotation {
        name: (*name).to_owned(),
        string_value: Sentence::new(value).to_string(),
    };
    let event = TrackEvent {
        debug_annotations: present.map(annotation).collect(),
        kind: kind as i32,
        track_uuid,
        categories: vec!["tracer".to_owned()],
        name: Sentence::new(name).to_string(),
        counter_value: None,
    };
    At { at_ns, event: Some(event), stack: None }
}

/// How many there were at each moment.
fn counted(track: u64, lives: impl Iterator<Item = (u64, u64)>) -> Vec<At> {
    let mut changes: Vec<(u64, i64)> = lives.flat_map(|(from, to)| [(from, 1), (to.max(from), -1)]).collect();
    changes.sort_unstable();
    let mut now = 0;
    let counted = |(at_ns, change): (u64, i64)| {
        now += change;
        let mut at = event(at_ns, track, Kind::Counter, "", &[]);
        at.event.iter_mut().for_each(|event| event.counter_value = Some(now));
        at
    };
    changes.into_iter().map(counted).collect()
}

fn sample(at_ns: u64, (pid, tid): (u32, u32), what: &str, stack: &[report::Frame], weight: u64) -> At {
    let frame = |frame: &report::Frame| Frame {
        function_name: frame.function.to_string(),
        source_file: frame.file.to_string(),
        line_number: frame.line,
    };
    let stack = StackSample {
        task_context: Some(Task { pid, tid }),
        callstack: Some(Callstack { frames: stack.iter().rev().map(frame).collect() }),
        primary_descriptor: Some(Weight { name: what.to_owned(), unit: COUNT }),
        primary_weight: weight,
    };
    At { at_ns, event: None, stack: Some(stack) }
}
