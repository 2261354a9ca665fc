//! Perfetto: what a report has times of, on tracks of processes and threads: processes and zombies as they lived, forks,
//! signals, the stacks of who forked or sent, and the states of threads by step. Samples are sums without times: they are
//! not here.

mod counters;
mod events;
mod schema;

use std::collections::BTreeMap;

use prost::Message as _;

use crate::report::{Name, Report};
use events::At;
pub(super) use schema::Trace;
use schema::{Counter, Packet, Process, Thread, TrackDescriptor};

/// All packets are of one sequence.
const SEQUENCE: u32 = 1;
/// Tracks of none of the processes.
const TRACER: u64 = 1;
const PROCESSES: u64 = 2;
const ZOMBIES: u64 = 3;
/// From here on: states of threads.
const THREAD_STATES: u64 = 3 << 32;

/// The whole trace.
pub fn write(report: &Report) -> Vec<u8> {
    let tracks = tracks(report).into_iter().map(|track| Packet { track_descriptor: Some(track), ..packet() });
    let start = report.window.start_monotonic_ns;
    let timed = |At { at_ns, event, stack }: At| {
        let timestamp = Some(start.saturating_add(at_ns));
        Packet { timestamp, track_event: event, stack_sample: stack, ..packet() }
    };
    Trace { packet: tracks.chain(events::events(report).into_iter().map(timed)).collect() }.encode_to_vec()
}

fn packet() -> Packet {
    Packet { trusted_packet_sequence_id: SEQUENCE, ..Packet::default() }
}

/// The track of a process.
fn process_track(pid: u32) -> u64 {
    1 << 32 | u64::from(pid)
}

/// The track of a thread; that of its process for the main thread.
fn thread_track(pid: u32, tid: u32) -> u64 {
    if pid == tid { process_track(pid) } else { 2 << 32 | u64::from(tid) }
}

fn tracks(report: &Report) -> Vec<TrackDescriptor> {
    let named = |uuid, name: &str| TrackDescriptor {
        uuid,
        name: Some(name.to_owned()),
        ..TrackDescriptor::default()
    };
    let counter = |uuid, name| TrackDescriptor { counter: Some(Counter::default()), ..named(uuid, name) };
    let mut tracks =
        vec![named(TRACER, "tracer"), counter(PROCESSES, "processes"), counter(ZOMBIES, "zombies")];
    tracks.extend(processes(report).into_iter().map(|(pid, process_name)| TrackDescriptor {
        uuid: process_track(pid),
        process: Some(Process { pid: pid.cast_signed(), process_name }),
        ..TrackDescriptor::default()
    }));
    tracks.extend(threads(report).into_iter().map(|((pid, tid), name)| TrackDescriptor {
        uuid: thread_track(pid, tid),
        thread: Some(Thread { pid: pid.cast_signed(), tid: tid.into(), thread_name: name }),
        ..TrackDescriptor::default()
    }));
    tracks.extend(counters::tracks(report));
    tracks
}

/// Traced processes, and others that a signal went to or a zombie was.
fn processes(report: &Report) -> BTreeMap<u32, String> {
    let others = report.signals.rows.iter().map(|signal| (signal.target.pid, String::new()));
    let zombies = report.processes.zombies.rows.iter().map(|zombie| (zombie.pid, zombie.comm.to_string()));
    let traced = report.target.processes.rows.iter().map(|process| (process.pid, process.comm.to_string()));
    others.chain(zombies).chain(traced).collect()
}

/// Those that are known by name, whose states are reported, or that a signal went to.
fn threads(report: &Report) -> BTreeMap<(u32, u32), String> {
    let signals = report.signals.rows.iter().map(|signal| &signal.target);
    let signalled = signals.filter_map(|target| Some(((target.pid, target.tid?), String::new())));
    let name = |name: &Option<Name>| name.as_ref().map_or_else(String::new, Name::to_string);
    let sampled = report.frames.stacks.rows.iter().map(|row| ((row.pid, row.tid), name(&row.thread_name)));
    let states = report.over_time.threads.rows.iter();
    let states = states.map(|row| ((row.pid, row.tid), name(&row.thread_name)));
    let all = signalled.chain(sampled).chain(states).filter(|((pid, tid), _)| pid != tid);
    all.collect()
}
