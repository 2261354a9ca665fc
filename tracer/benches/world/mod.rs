//! What the probes of a busy server would send in a while.

use bytes::Bytes;
use tracer::event::{Event, FileId, ReadRow, Reads, SampleRow, StackId, StackStatus, SwitchRow, Task};
use tracer::symbols::{File, FileKind, Frame, Stack, Symbols};
use tracer_common::event::{Header, kind};
use tracer_common::switch::{SwitchValue, flag};
use tracer_common::task::TaskId;
use tracer_common::{process, signal, turn};

/// Events of each sort of stream.
pub const EVENTS: u64 = 16_384;
const PID: u32 = 4_242;
const THREADS: u64 = 32;
const STACKS: u64 = 256;
const FILES: u64 = 64;

/// Messages of the ring buffer: signals, turns of event loops, processes that come and go.
pub fn messages() -> Vec<Vec<u8>> {
    (0..EVENTS).map(message).collect()
}

fn message(n: u64) -> Vec<u8> {
    let header = |kind, bytes: usize| Header {
        kind,
        bytes: bytes as u32,
        at_ns: n * 1_000,
        pid: PID,
        tid: PID + (n % THREADS) as u32,
    };
    let child = 10_000 + (n / 8 % 4_096) as u32;
    let comm = *b"gunicorn\0\0\0\0\0\0\0\0";
    match n % 8 {
        0 => bytes_of(&process::Fork {
            header: header(kind::FORK, size_of::<process::Fork>()),
            stack: 1 + n % STACKS,
            shown_child: TaskId { pid: child, tid: child },
            own_pid: child,
            followed: 1,
            comm,
            ..process::Fork::default()
        }),
        1 => bytes_of(&process::Rename { header: header(kind::RENAME, size_of::<process::Rename>()), comm }),
        2 => bytes_of(&process::Exit {
            header: Header { pid: child, tid: child, ..header(kind::EXIT, size_of::<process::Exit>()) },
            last_thread: 1,
            parent: PID,
            comm,
            ..process::Exit::default()
        }),
        3 => bytes_of(&process::Reaped {
            header: header(kind::REAPED, size_of::<process::Reaped>()),
            child,
            ..process::Reaped::default()
        }),
        4 | 5 => bytes_of(&signal::Generate {
            header: header(kind::SIGNAL_GENERATE, size_of::<signal::Generate>()),
            signal: 10,
            info: 2,
            stack: 1 + n % STACKS,
            sender: TaskId { pid: PID, tid: PID },
            target: TaskId { pid: PID, tid: PID + 1 },
            comm,
            ..signal::Generate::default()
        }),
        6 => bytes_of(&signal::Deliver {
            header: header(kind::SIGNAL_DELIVER, size_of::<signal::Deliver>()),
            signal: 10,
            handler: 0x1000,
            stack: 1 + n % STACKS,
            ..signal::Deliver::default()
        }),
        _ => bytes_of(&turn::Turn {
            header: header(kind::LOOP_TURN, size_of::<turn::Turn>()),
            began_ns: n * 1_000,
            busy_ns: 60_000_000,
        }),
    }
}

/// Rows of drained aggregates: switches, samples and reads.
pub fn rows() -> Vec<Event> {
    (0..EVENTS).map(row).collect()
}

fn row(n: u64) -> Event {
    let task = Task { pid: PID, tid: PID + (n % THREADS) as u32 };
    let stack = StackId(1 + n % STACKS);
    match n % 3 {
        0 => Event::Switches {
            key: SwitchRow {
                task,
                stack,
                object: FileId(n % FILES),
                flags: flag::VOLUNTARY,
                ..SwitchRow::default()
            },
            value: SwitchValue { count: 3, off_cpu_ns: 9_000, on_cpu_ns: 5_000, ..SwitchValue::default() },
            still_blocked: 0,
        },
        1 => Event::Samples {
            key: SampleRow { task, stack, ..SampleRow::default() },
            count: 2,
            keeps_others_waiting: false,
        },
        _ => Event::Reads {
            key: ReadRow { pid: PID, file: FileId(n % FILES), ..ReadRow::default() },
            value: Reads { calls: 20, bytes: 9_000, stack, requested: vec![(4_096, 20)], ..Reads::default() },
        },
    }
}

/// What their ids stand for.
pub fn symbols() -> Symbols {
    let mut symbols = Symbols::default();
    for id in 1..=STACKS {
        let frames = (0..20).map(|depth| symbols.intern(frame(id * 7 + depth))).collect();
        symbols.stacks.insert(StackId(id), Stack { frames, status: StackStatus::Ok, truncated: false });
    }
    for id in 0..FILES {
        let path = format!("/srv/shop/data/{id}.csv").into_bytes().into();
        symbols.insert_file(FileId(id), File { path, kind: FileKind::Regular });
    }
    symbols
}

/// One of many frames.
pub fn frame(n: u64) -> Frame {
    let name = |text: String| Bytes::from(text.into_bytes());
    Frame {
        function: name(format!("Class{}.method", n % 50)),
        file: name(format!("/srv/shop/app/module{}.py", n % 40)),
        line: Some(n as u32),
    }
}

fn bytes_of<T: Copy>(message: &T) -> Vec<u8> {
    let start = std::ptr::from_ref(message).cast::<u8>();
    // SAFETY: wire types are integers without padding.
    unsafe { std::slice::from_raw_parts(start, size_of::<T>()) }.to_vec()
}
