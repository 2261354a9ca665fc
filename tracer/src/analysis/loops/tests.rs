use super::*;
use crate::analysis::samples::{bytes, task};
use crate::event::{StackId, StackStatus, SwitchRow};
use crate::symbols::{Frame, Stack};

const MILLISECOND: Nanos = 1_000_000;
const READ: Option<u32> = Some(0);
const SLEEP: Option<u32> = Some(35);
const EPOLL: Option<u32> = Some(232);

/// Stacks of these functions, innermost first: 1 waits in the loop, 2 and 3 are in a task, 4 is another program's; 5 waits
/// in Twisted's reactor, which calls 6.
fn symbols() -> Symbols {
    let own = |function: &'static str| ("app.py", function);
    let (call, run) = (
        ("/lib/python3.12/asyncio/events.py", "Handle._run"),
        ("/lib/python3.12/asyncio/base_events.py", "BaseEventLoop._run_once"),
    );
    let (reads, reactor, main_loop) = (
        ("/twisted/internet/posixbase.py", "PosixReactorBase._doReadOrWrite"),
        ("/twisted/internet/epollreactor.py", "EPollReactor.doPoll"),
        ("/twisted/internet/base.py", "ReactorBase.mainLoop"),
    );
    let stacks = [
        vec![("/lib/python3.12/selectors.py", "select"), run],
        vec![("/lib/python3.12/json/decoder.py", "decode"), own("parse"), own("handle"), call, run],
        vec![own("pause"), own("handle"), call, run],
        vec![own("poll"), own("main")],
        vec![reactor, main_loop],
        vec![own("pause"), ("/twisted/internet/tcp.py", "Connection.doRead"), reads, reactor, main_loop],
    ];
    let mut symbols = Symbols::default();
    for (id, frames) in (1..).zip(stacks) {
        let frames = frames.into_iter().map(|(file, function)| {
            symbols.intern(Frame { function: bytes(function), file: bytes(file), line: Some(1) })
        });
        let frames = frames.collect();
        symbols.stacks.insert(StackId(id), Stack { frames, status: StackStatus::Ok, truncated: false });
    }
    symbols
}

fn piece(began: Nanos, stack: u64, syscall: Option<u32>, lasted: Nanos) -> Event {
    let flags = if syscall.is_none() { flag::RUNNING } else { flag::VOLUNTARY };
    let (task, lasted) = (task(7, 7), lasted * MILLISECOND);
    Event::LoopPiece(LoopPiece {
        task,
        began,
        lasted,
        queued: 0,
        stack: StackId(stack),
        object: FileId::NONE,
        syscall,
        flags,
    })
}

/// One that ended when the thread had a CPU again.
fn preempted(began: Nanos, lasted: Nanos, queued: Nanos) -> Event {
    let Event::LoopPiece(piece) = piece(began, 2, READ, lasted) else { unreachable!() };
    Event::LoopPiece(LoopPiece { flags: 0, queued: queued * MILLISECOND, ..piece })
}

/// A sleep whose end was waited for beside others that had the CPU.
fn slept(began: Nanos, lasted: Nanos, queued: Nanos) -> Event {
    let Event::LoopPiece(piece) = piece(began, 3, SLEEP, lasted) else { unreachable!() };
    Event::LoopPiece(LoopPiece { queued: queued * MILLISECOND, ..piece })
}

fn turn(began: Nanos, busy: Nanos) -> Event {
    Event::LoopTurn { task: task(7, 7), began, busy: busy * MILLISECOND }
}

fn counted(turns: u64, busy: Nanos) -> Event {
    let busy = busy * MILLISECOND;
    Event::Loop { task: task(7, 7), turns, busy, longest: busy }
}

fn waits(stack: u64) -> Event {
    let key = SwitchRow { task: task(7, 7), stack: StackId(stack), syscall: EPOLL, ..SwitchRow::default() };
    Event::Switches { key, value: tracer_common::switch::SwitchValue::default(), still_blocked: 0 }
}

fn loops(events: &[Event]) -> Option<Bounded<report::Loop>> {
    let mut loops = Loops::default();
    events.iter().for_each(|event| loops.fold(event));
    loops.finish(&symbols())
}

/// Callback, function of the line, cause, turns, milliseconds.
fn reported(events: Vec<Event>) -> Vec<(String, String, Option<Cause>, u64, u64)> {
    let events = [events, vec![counted(100, 500), Event::LoopsWatched]].concat();
    let found = loops(&events).expect("they were watched");
    let by = found.rows.iter().flat_map(|row| &row.by.rows);
    let row = by.map(|by| {
        let name = |name: Option<&Name>| name.map_or_else(String::new, ToString::to_string);
        let line = by.frame.as_ref().map(|frame| &frame.function);
        assert_eq!(by.on_cpu, by.cause.is_none() && by.stack.is_some());
        (name(by.callback.as_ref()), name(line), by.cause, by.count, by.total_ns / MILLISECOND)
    });
    row.collect()
}

#[test]
fn a_turn_is_charged_to_what_most_of_it_went_to() {
    let row = |line: &str, cause, count, total| ("handle".to_owned(), line.to_owned(), cause, count, total);
    let no_line = |count, total| (String::new(), String::new(), Some(Cause::Preempted), count, total);
    for (name, events, expected) in [
        (
            "on the CPU, below the library",
            vec![piece(5, 2, None, 60), piece(5, 3, SLEEP, 40), turn(5, 100)],
            vec![row("parse", None, 1, 100)],
        ),
        (
            "two sleeps",
            vec![piece(5, 3, SLEEP, 80), turn(5, 90), piece(200, 3, SLEEP, 100), turn(200, 110)],
            vec![row("pause", Some(Cause::Sleep), 2, 200)],
        ),
        (
            "many lines of one reason",
            vec![piece(5, 3, READ, 40), piece(5, 2, None, 30), piece(5, 3, None, 29), turn(5, 100)],
            vec![row("parse", None, 1, 100)],
        ),
        (
            "others had the CPU for a while",
            vec![piece(5, 2, None, 10), preempted(5, 60, 20), preempted(5, 30, 20), turn(5, 100)],
            vec![row("parse", None, 1, 100)],
        ),
        (
            "others had it most of the time",
            vec![piece(5, 2, None, 10), preempted(5, 60, 50), preempted(5, 30, 20), turn(5, 100)],
            vec![no_line(1, 100)],
        ),
        (
            "others had it after a sleep",
            vec![slept(5, 90, 60), piece(5, 2, None, 20), turn(5, 110)],
            vec![no_line(1, 110)],
        ),
        (
            "others had it after a short part of a sleep",
            vec![slept(5, 90, 30), piece(5, 2, None, 20), turn(5, 110)],
            vec![row("pause", Some(Cause::Sleep), 1, 110)],
        ),
        (
            "others had it at different lines",
            vec![preempted(5, 60, 50), turn(5, 60), slept(200, 90, 60), turn(200, 90)],
            vec![no_line(2, 150)],
        ),
        (
            "what goes on at the end",
            vec![piece(5, 3, SLEEP, 80)],
            vec![row("pause", Some(Cause::Sleep), 1, 80)],
        ),
    ] {
        assert_eq!(reported(events), expected, "{name}");
    }
}

#[test]
fn a_turn_without_pieces_has_no_line() {
    let events = vec![waits(1), piece(5, 3, SLEEP, 80), turn(9, 60)];
    assert_eq!(reported(events), [(String::new(), String::new(), None, 1, 60)]);
}

#[test]
fn only_known_loops_are_loops() {
    let rows = |events: &[Event]| loops(events).map(|found| found.rows.len());
    let turned = counted(10, 1);
    assert_eq!(rows(&[waits(1), turned.clone(), Event::LoopsWatched]), Some(1));
    assert_eq!(rows(&[waits(4), turned.clone(), Event::LoopsWatched]), Some(0), "another program");
    assert_eq!(rows(&[waits(1), turned]), None, "they were not watched");
}

#[test]
fn a_reactor_of_twisted_is_a_loop() {
    let row = ("Connection.doRead".to_owned(), "pause".to_owned(), Some(Cause::Sleep), 1, 150);
    assert_eq!(reported(vec![waits(5), piece(5, 6, SLEEP, 150), turn(5, 150)]), [row]);
}

#[test]
fn what_happens_between_two_loops_keeps_none() {
    let events = [waits(1), piece(5, 4, SLEEP, 800), turn(5, 800), piece(900, 3, SLEEP, 70), turn(900, 71)];
    let events = [&events[..], &[counted(9, 1), Event::LoopsWatched]].concat();
    let found = &loops(&events).expect("watched").rows[0];
    assert_eq!((found.turns, found.busy_ns / MILLISECOND, found.max_busy_ns / MILLISECOND), (10, 72, 71));
    assert_eq!(found.by.rows.len(), 1);
}

#[test]
fn the_task_is_that_of_the_longest_turn() {
    let named = |began, name: &str| Event::LoopTask { task: task(7, 7), began, name: bytes(name) };
    let turns = |began, name, busy| [piece(began, 3, SLEEP, busy), named(began, name), turn(began, busy)];
    let events = [turns(5, "short", 60), turns(99, "long", 90), turns(300, "shorter", 55)].concat();
    let found = loops(&[events, vec![counted(9, 300), Event::LoopsWatched]].concat()).expect("watched");
    let by = &found.rows[0].by.rows;
    assert_eq!((by.len(), by[0].task.as_ref().map(ToString::to_string)), (1, Some("long".to_owned())));
}

#[test]
fn turns_that_never_end_take_no_more_room() {
    let mut loops = Loops::default();
    for tid in 0..2 * THREADS as u32 {
        let Event::LoopPiece(piece) = piece(1, 2, READ, 5) else { unreachable!() };
        loops.fold(&Event::LoopPiece(LoopPiece { task: task(7, tid), ..piece }));
        loops.fold(&Event::LoopTask { task: task(7, tid), began: 1, name: bytes("handle") });
    }
    assert_eq!(loops.open.len(), THREADS);
}
