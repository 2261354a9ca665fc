//! A recording with an event of each kind, kept in a file: what has been written must be read by every later `tracer`, or be
//! refused.

use std::fs;
use std::path::{Path, PathBuf};

use tracer_common::counters::{Counters, Probe};

use super::record::Borrowed;
use super::*;
use crate::analysis::samples::{bytes, exec, exit, fork, process, regular_file, signal, symbols_of, task};
use crate::attach::{Cost, Plan};
use crate::event::*;
use crate::report::{Ended, Host, Name};
use crate::sections::Sections;
use crate::session::View;
use crate::symbols::{Calls, CodeKey, Entry, FrameId, Symbols};

pub fn opening() -> Opening {
    Opening {
        version: "0.1.0".to_owned(),
        host: Host { kernel: "6.12.0".to_owned(), arch: "x86_64".to_owned(), cpus: 2 },
        pids: vec![7],
        plan: Plan {
            sections: Sections::ALL,
            depth: 128,
            rate_hz: 99,
            ring_bytes: 1 << 22,
            room: 1,
            table_rows: None,
            calls: false,
            handler_ends: false,
            only_samples: false,
        },
        start_ns: 1_000,
        start: "2026-11-21T02:03:04.123456789Z".to_owned(),
        attach_ns: 5,
    }
}

pub fn standing() -> Standing {
    let counters = Counters { hits: 9, filtered: 4, emitted: 3, aggregated: 2, ..Counters::default() };
    Standing {
        ended: Some(Ended::Duration),
        at_ns: 2_000_001_000,
        counters: vec![(Probe::Switch, counters)],
        unread: Unread::default(),
        records: RecordCounts { decoded: 3, corrupt: 0 },
        traps: vec![(Probe::Handler, 900)],
        cost: Cost { missed: 1, map_bytes: 4096 },
        covered_ns: 0,
        reads_covered_ns: Some(2_000_000_000),
        shed: Vec::new(),
        switches_in_doubt: 1,
        usage: Usage { cpu_ns: 10, peak_rss_bytes: 1 << 20 },
    }
}

fn symbols() -> Symbols {
    let mut symbols = symbols_of(&[(1, &["a.py:1", "a.py:9"]), (2, &["a.py:2"])]);
    symbols.insert_file(FileId(3), regular_file("/data"));
    let code: CodeKey = (SpaceId(1), 0x5000, 77);
    symbols.insert_calls(code, Calls { opens: true, ..Calls::default() });
    let site = tracer_common::python::Frame { code: 0x5000, instruction: 4, identity: 77 };
    symbols.insert_site(SpaceId(1), site, FrameId(0));
    symbols
}

/// One of each kind.
fn events() -> Vec<Event> {
    let waited = Some(Waited { off_cpu: 9, gil: 3, run_queue: 2, asleep: true });
    let thread = task(7, 8);
    vec![
        Event::Process(ProcessDescription { root: true, python: Some("3.12.1".into()), ..process(7, "app") }),
        Event::ThreadName { task: thread, comm: bytes("worker") },
        Event::KernelSwitchesBefore { task: thread, voluntary: 5, involuntary: 1 },
        Event::ZombieAtStart { pid: 90, ppid: 7, comm: bytes("z"), wait_status: Some(9) },
        Event::ChildAtStart { pid: 91, ppid: 7 },
        fork(10, 7, 20, 1),
        exec(11, 20, &["sleep", "9"]),
        Event::SignalGenerate(SignalGenerate { main: waited, ..signal(15, task(7, 7), task(20, 20)) }),
        Event::SignalDeliver(SignalDeliver {
            at: 13,
            task: task(20, 20),
            signal: 15,
            code: 0,
            handler: Handler::Python,
            stack: StackId(2),
            syscall: Some(230),
            main: waited,
        }),
        Event::HandlersWatched { at: 1, pid: 7, starts: true, ends: false },
        Event::HandlerStart(HandlerStart {
            at: 14,
            task: task(20, 20),
            signal: 15,
            level: 1,
            stack: StackId(2),
            space: SpaceId(1),
            code: tracer_common::python::Frame { code: 0x5000, instruction: -1, identity: 77 },
            waited,
        }),
        Event::HandlerEnd { at: 15, pid: 20, level: 1 },
        exit(20, 20, 7, 9),
        Event::ZombieForLong { at: 120, pid: 20, ppid: 7, since: 20 },
        Event::Reaped { at: 130, by: task(7, 7), child: 20, of_earlier: false },
        Event::Free { at: 131, pid: 20 },
        Event::Reparented { at: 140, pid: 91, comm: bytes("orphan"), old_ppid: 7, new_ppid: 1 },
        Event::Collections { at: 1, pid: 7, seen: GcSeen::Probed },
        Event::GcPause(GcPause {
            at: 200,
            task: thread,
            lasted: 50,
            stack: StackId(1),
            generation: Some(2),
            collected: Some(7),
            waiters: Some(1),
        }),
        Event::GcCounted(GcCounted { pid: 7, generation: 2, collections: 1, collected: 7, at_least: false }),
        Event::GcSample { at: 190, task: thread, stack: StackId(1), number: Some(3) },
        Event::LoopsWatched,
        Event::LoopTurn { task: thread, began: 300, busy: 60_000_000 },
        Event::LoopPiece(LoopPiece {
            task: thread,
            began: 300,
            lasted: 60_000_000,
            queued: 4,
            stack: StackId(1),
            object: FileId(3),
            syscall: Some(0),
            flags: 512,
        }),
        Event::LoopTask { task: thread, began: 300, name: bytes("Task-1") },
        Event::Loop { task: thread, turns: 9, busy: 100, longest: 30 },
        Event::Switches {
            key: SwitchRow { stack: StackId(1), task: thread, flags: 1, ..Default::default() },
            value: tracer_common::switch::SwitchValue { count: 4, off_cpu_ns: 400, ..Default::default() },
            still_blocked: 1,
        },
        Event::Wakeups { key: Default::default(), count: 2 },
        Event::GilHeld { key: Default::default(), waited_ns: 44 },
        Event::Reads {
            key: ReadRow { file: FileId(3), space: SpaceId(1), pid: 7, ..Default::default() },
            value: Reads {
                calls: 2,
                bytes: 32,
                requested: vec![(16, 2)],
                errors: vec![(4, 1)],
                ..Reads::default()
            },
        },
        Event::ReadSizes { key: Default::default(), figure: ReadFigure::Returned(4096), count: 1 },
        Event::Samples {
            key: SampleRow { stack: StackId(2), task: thread, ..Default::default() },
            count: 6,
            keeps_others_waiting: true,
        },
        Event::Entries { key: Default::default(), count: 8 },
        Event::ZombieAtEnd { pid: 90 },
        Event::Doing { pid: 7, stack: StackId(1) },
        Event::SignalsPending(SignalsPending { pid: 7, shared: 1, threads: vec![(8, 2)], ignored: 4 }),
        Event::HandlersPending { pid: 7, signals: 1 },
        Event::KernelSwitches { task: thread, voluntary: 9, involuntary: 2 },
        Event::Drained { at: 400 },
    ]
}

fn records() -> Vec<Record> {
    let mut entries: Vec<Entry> = symbols().known().collect();
    entries.sort_by_key(|entry| match entry {
        Entry::Frame { .. } => (0, 0),
        Entry::Stack { id, .. } => (1, id.0), // they come in any order
        _ => (2, 0),
    });
    let more = [
        Entry::SameStack { id: StackId(9), first: StackId(1) },
        Entry::StacksForgotten { kept: [StackId(9)].into() },
    ];
    let symbols = entries.into_iter().chain(more).map(Record::Symbol);
    [Record::Opening(opening().into())]
        .into_iter()
        .chain(symbols)
        .chain(events().into_iter().map(Record::Event))
        .chain([Record::Standing(standing().into())])
        .collect()
}

fn raw(records: &[Record]) -> Vec<u8> {
    records.iter().fold(Vec::new(), |raw, record| {
        let borrowed = match record {
            Record::Opening(opening) => Borrowed::Opening(opening),
            Record::Symbol(entry) => Borrowed::Symbol(entry),
            Record::Event(event) => Borrowed::Event(event),
            Record::Standing(standing) => Borrowed::Standing(standing),
            Record::Base(standing) => Borrowed::Base(standing),
        };
        borrowed.append_to(raw)
    })
}

fn read(file: &[u8]) -> Vec<Record> {
    let mut reader = Reader::new(file, Name::new(b"sample")).unwrap();
    let block = reader.block().unwrap().expect("it has one");
    assert_eq!((reader.block().unwrap(), reader.damage), (None, Damage::default()));
    Records::new(&block).map(|record| record.expect("all are")).collect()
}

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/recording/one-of-each")
}

/// If this fails, an event, or something else that is recorded, has another form now: raise [`VERSION`], and keep the new
/// sample by `TRACER_BLESS=1`.
#[test]
fn what_was_recorded_once_is_read_still() {
    let records = records();
    let file = of_block(&raw(&records));
    assert_eq!(read(&file), records);
    if std::env::var_os("TRACER_BLESS").is_some() {
        fs::write(kept(), &file).unwrap();
    }
    assert_eq!(read(&fs::read(kept()).unwrap()), records);
}

/// What no kernel reports, each figure by itself possible.
#[test]
fn contradictions_are_no_crash() {
    let waited_longer_than_it_lasted = Event::LoopPiece(LoopPiece {
        task: task(7, 8),
        began: 300,
        lasted: 1,
        queued: 5,
        stack: StackId(1),
        object: FileId::NONE,
        syscall: Some(0),
        flags: 512,
    });
    let ended_before_it_began = Standing { at_ns: 1, ..standing() };
    let records = [
        Record::Opening(opening().into()),
        Record::Event(waited_longer_than_it_lasted),
        Record::Event(Event::ZombieForLong { at: 1, pid: 20, ppid: 7, since: 20 }),
        Record::Standing(ended_before_it_began.into()),
    ];
    let file = of_block(&raw(&records));
    match crate::session::replay(Reader::new(&*file, Name::new(b"sample")).unwrap(), &View::default()) {
        Ok(replayed) => assert_eq!(replayed.report.window.duration_ns, 0),
        Err(error) => assert!(matches!(error, ReadError::Contradiction { .. }), "{error}"),
    }
}

/// Of any author, in any output.
#[test]
fn words_of_a_recording_harm_no_screen() {
    let evil = "\u{1b}]0;P\u{7}\u{202e}";
    let host = Host { kernel: evil.to_owned(), ..opening().host };
    let opening = Opening { version: evil.to_owned(), host, start: evil.to_owned(), ..opening() };
    let shed = vec![crate::report::Shed { at_ns: 0, what: evil.to_owned(), why: evil.to_owned() }];
    let records = [Record::Opening(opening.into()), Record::Standing(Standing { shed, ..standing() }.into())];
    let file = of_block(&raw(&records));
    let replayed =
        crate::session::replay(Reader::new(&*file, Name::new(b"sample")).unwrap(), &View::default()).unwrap();
    let style = crate::report::text::Style { color: false, width: 100, full: true };
    let shown = crate::report::text::render(&replayed.report, style);
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
    assert!(replayed.report.host.kernel.contains("202e"), "it is reported all the same");
}

#[test]
fn a_replay_has_what_was_recorded() {
    let file = of_block(&raw(&records()));
    let replayed =
        crate::session::replay(Reader::new(&*file, Name::new(b"sample")).unwrap(), &View::default()).unwrap();
    let report = replayed.report;
    assert_eq!((replayed.damage, replayed.is_cut), (Damage::default(), false));
    assert_eq!((report.window.duration_ns, report.window.ended), (2_000_000_000, Ended::Duration));
    assert_eq!((report.quality.hits, report.processes.forked, report.quality.samples.taken), (9, 1, 6));
    assert_eq!(report.frames.hot.rows[0].frame.line, Some(2));
    assert_eq!(report.reads.rows[0].path, Name::new(b"/data"));
}
