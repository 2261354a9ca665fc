use tracer_common::python::Frame;

use super::*;
use crate::analysis::samples::{exit, frame, process, signal, symbols_of, task};
use crate::event::{Handler, HandlerStart, SpaceId, StackId, Task, Waited};
use crate::report::{HandlerState, HandlerWait};

const MAIN: Task = Task { pid: 7, tid: 7 };
const THREAD: Task = Task { pid: 7, tid: 8 };
const MS: Nanos = 1_000_000;
/// Stacks: two of the program, and one in the handler of signal 10.
const AT: u64 = 1;
const LATER: u64 = 2;
const IN_HANDLER: u64 = 3;

fn found(events: &[Event]) -> Bounded<Signal> {
    let (mut signals, mut traced) = (Signals::default(), Traced::default());
    traced.fold(&Event::Process(process(7, "root")));
    for event in events {
        signals.fold(event, &traced);
    }
    let mut symbols =
        symbols_of(&[(AT, &["a.py:1"]), (LATER, &["a.py:2"]), (IN_HANDLER, &["b.py:10", "a.py:1"])]);
    let on_10 = symbols.intern(frame("b.py:10"));
    symbols.insert_site(SpaceId(1), code(10), on_10);
    signals.finish(&symbols)
}

/// The handler of a signal.
fn code(signal: u32) -> Frame {
    Frame { code: signal.into(), instruction: -1, identity: signal }
}

fn watched(at: Nanos) -> Event {
    Event::HandlersWatched { at, pid: 7, starts: true, ends: false }
}

const UNWATCHED: Event = Event::HandlersWatched { at: 16, pid: 7, starts: false, ends: false };

fn sent(at: Nanos, number: u32) -> Event {
    Event::SignalGenerate(SignalGenerate { at, ..signal(number, task(99, 99), MAIN) })
}

fn held(at: Nanos, number: u32) -> Event {
    Event::SignalGenerate(SignalGenerate { at, blocked: true, ..signal(number, task(99, 99), MAIN) })
}

fn waited(off_cpu: Nanos, gil: Nanos) -> Option<Waited> {
    Some(Waited { off_cpu, gil, run_queue: 0, asleep: false })
}

/// Without a CPU.
fn queued(run_queue: Nanos) -> Option<Waited> {
    Some(Waited { off_cpu: run_queue, gil: 0, run_queue, asleep: false })
}

const ASLEEP: Option<Waited> = Some(Waited { off_cpu: 0, gil: 0, run_queue: 0, asleep: true });

fn delivered_to(task: Task, at: Nanos, signal: u32, main: Option<Waited>) -> Event {
    let (code, handler, stack, syscall) = (0, Handler::Python, AT, None);
    Event::SignalDeliver(SignalDeliver {
        at,
        task,
        signal,
        code,
        handler,
        stack: StackId(stack),
        syscall,
        main,
    })
}

fn delivered(at: Nanos, signal: u32) -> Event {
    delivered_to(MAIN, at, signal, None)
}

fn began(at: Nanos, signal: u32) -> Event {
    began_after(at, signal, LATER, None)
}

fn began_after(at: Nanos, signal: u32, stack: u64, waited: Option<Waited>) -> Event {
    let (task, space, code, level) = (MAIN, 1, code(signal), 0);
    Event::HandlerStart(HandlerStart {
        at,
        task,
        signal,
        level,
        stack: StackId(stack),
        space: SpaceId(space),
        code,
        waited,
    })
}

/// A call inside of others.
fn at_level(level: u32, start: Event) -> Event {
    let Event::HandlerStart(start) = start else { unreachable!("it is a start") };
    Event::HandlerStart(HandlerStart { level, ..start })
}

#[test]
fn a_handler_ends_with_its_call_or_before_the_next_one() {
    let on = || Event::HandlersWatched { at: 0, pid: 7, starts: true, ends: true };
    let end = |at, level| Event::HandlerEnd { at, pid: 7, level };
    let two = || vec![on(), sent(10, 10), delivered(11, 10), sent(12, 12), delivered(13, 12)];
    for (name, events, expected) in [
        (
            "one",
            vec![on(), sent(10, 10), delivered(15, 10), at_level(1, began(17, 10)), end(40, 1)],
            vec![(10, Some(30))],
        ),
        (
            "it runs to the end of the window",
            vec![on(), sent(10, 10), delivered(15, 10), at_level(1, began(17, 10)), end(40, 2)],
            vec![(10, None)],
        ),
        (
            "one after the other",
            [two(), vec![at_level(1, began(20, 10)), at_level(1, began(30, 12)), end(50, 1)]].concat(),
            vec![(10, Some(20)), (12, Some(38))],
        ),
        (
            "one inside the other",
            [two(), vec![at_level(1, began(20, 10)), at_level(2, began(30, 12)), end(40, 2), end(50, 1)]]
                .concat(),
            vec![(10, Some(40)), (12, Some(28))],
        ),
        (
            "the same signal's again, before the first has returned",
            [two(), vec![at_level(1, began(20, 10)), at_level(1, began(21, 10)), end(50, 1)]].concat(),
            vec![(10, Some(40)), (12, None)],
        ),
    ] {
        let rows = found(&events);
        let ended = |row: &Signal| row.handler.as_ref().and_then(|handler| handler.ended_after_ns);
        let reported: Vec<_> = rows.rows.iter().map(|row| (row.number, ended(row))).collect();
        assert_eq!(reported, expected, "{name}");
    }
}

#[test]
fn one_call_answers_every_delivery_before_it() {
    use HandlerState::{Pending, Started, Unknown};
    let on = || watched(0);
    for (name, events, expected) in [
        ("begins", vec![on(), sent(10, 10), delivered(15, 10), began(17, 10)], vec![(10, Started, Some(7))]),
        ("not watched", vec![sent(10, 10), delivered(15, 10)], vec![(10, Unknown, None)]),
        ("watched too late", vec![sent(10, 10), delivered(15, 10), watched(20)], vec![(10, Unknown, None)]),
        ("still to begin", vec![on(), sent(10, 10), delivered(15, 10)], vec![(10, Pending, None)]),
        (
            "the process ends first",
            vec![on(), sent(10, 10), delivered(15, 10), exit(20, 7, 1, 9)],
            vec![(10, Pending, None)],
        ),
        (
            "not watched any more",
            vec![on(), sent(10, 10), delivered(15, 10), UNWATCHED],
            vec![(10, Unknown, None)],
        ),
        (
            "two at once",
            vec![on(), sent(10, 10), delivered(15, 10), sent(16, 10), delivered(18, 10), began(20, 10)],
            vec![(10, Started, Some(10)), (10, Started, Some(4))],
        ),
        (
            "one after the other",
            vec![on(), sent(10, 10), delivered(15, 10), began(17, 10), sent(30, 10), delivered(32, 10)],
            vec![(10, Started, Some(7)), (10, Pending, None)],
        ),
        (
            "reported before its signal",
            vec![on(), delivered(15, 10), began(17, 10), sent(10, 10)],
            vec![(10, Started, Some(7))],
        ),
        (
            "lost",
            vec![on(), sent(10, 10), delivered(15, 10), Event::HandlersPending { pid: 7, signals: 1 << 11 }],
            vec![(10, Unknown, None)],
        ),
        (
            "still to begin, says the program's memory",
            vec![on(), sent(10, 10), delivered(15, 10), Event::HandlersPending { pid: 7, signals: 1 << 9 }],
            vec![(10, Pending, None)],
        ),
    ] {
        let rows = found(&events);
        let after = |row: &Signal| row.handler.as_ref().and_then(|handler| handler.started_after_ns);
        let reported: Vec<_> =
            rows.rows.iter().map(|row| (row.number, row.handler_state, after(row))).collect();
        assert_eq!(reported, expected, "{name}");
    }
}

#[test]
fn the_handler_is_reported_by_its_function() {
    let rows = found(&[watched(0), sent(10, 10), delivered(15, 10), began(17, 10)]);
    let frame = rows.rows[0].handler.as_ref().and_then(|handler| handler.frame.clone()).expect("a function");
    assert_eq!((frame.file.to_string(), frame.line), ("b.py".into(), Some(10)));
}

#[test]
fn the_longest_part_of_a_delay_is_its_reason() {
    use HandlerWait::{Blocked, CCall, Gil, Nested, Nothing, WrongThread};
    let on = || watched(0);
    let late = |waited| began_after(20 * MS, 12, LATER, waited);
    for (name, events, expected) in [
        ("at once", vec![sent(0, 12), delivered(5, 12), began(MS - 1, 12)], Some(Nothing)),
        ("there was no CPU", vec![sent(0, 12), delivered(5, 12), late(queued(19 * MS + MS / 2))], None),
        ("the machine was busy, too", vec![sent(0, 12), delivered(5, 12), late(queued(9 * MS))], Some(CCall)),
        ("blocked", vec![held(0, 12), delivered(19 * MS, 12), late(None)], Some(Blocked)),
        ("no CPU to be delivered on", vec![sent(0, 12), delivered(19 * MS, 12), late(None)], None),
        (
            "ran on",
            vec![sent(0, 12), delivered_to(MAIN, 5, 12, waited(MS, 0)), late(waited(3 * MS, MS))],
            Some(CCall),
        ),
        ("has never been off its CPU", vec![sent(0, 12), delivered(5, 12), late(waited(0, 0))], Some(CCall)),
        (
            "ran on for a moment, and has advanced",
            vec![sent(0, 12), delivered(5, 12), began_after(5 * MS, 12, LATER, waited(0, 0))],
            None,
        ),
        (
            "ran on for a moment in C",
            vec![sent(0, 12), delivered(5, 12), began_after(6 * MS, 12, AT, waited(0, 0))],
            Some(CCall),
        ),
        (
            "was delivered late, and did not advance until it checked",
            vec![sent(0, 12), delivered(4 * MS, 12), began_after(6 * MS, 12, AT, waited(0, 0))],
            None,
        ),
        (
            "waited for the GIL",
            vec![sent(0, 12), delivered_to(MAIN, 5, 12, waited(MS, MS)), late(waited(18 * MS, 17 * MS))],
            Some(Gil),
        ),
        (
            "did not advance",
            vec![sent(0, 12), delivered(5, 12), began_after(20 * MS, 12, AT, None)],
            Some(CCall),
        ),
        (
            "slept in C",
            vec![sent(0, 12), delivered(5, 12), began_after(20 * MS, 12, AT, waited(19 * MS, 0))],
            Some(CCall),
        ),
        (
            "was kept by several things",
            vec![sent(0, 12), delivered(5, 12), began_after(20 * MS, 12, AT, waited(19 * MS, 9 * MS))],
            None,
        ),
        ("left a system call", vec![sent(0, 12), in_call(5), began_after(20 * MS, 12, AT, None)], None),
        ("nothing is known", vec![sent(0, 12), delivered(5, 12), late(None)], None),
        (
            "slept on",
            vec![sent(0, 12), delivered_to(THREAD, 5, 12, ASLEEP), late(waited(19 * MS, 0))],
            Some(WrongThread),
        ),
        (
            "ran on while another thread took it",
            vec![sent(0, 12), delivered_to(THREAD, 5, 12, waited(0, 0)), late(waited(0, 0))],
            Some(CCall),
        ),
        (
            "another began in between",
            vec![sent(0, 12), delivered(5, 12), began(MS, 10), late(None)],
            Some(Nested),
        ),
        (
            "another was running",
            vec![began(0, 10), sent(1, 12), in_handler(5), late(waited(0, 0))],
            Some(Nested),
        ),
        (
            "another had run",
            vec![began(0, 10), sent(1, 12), delivered(5, 12), late(waited(0, 0))],
            Some(CCall),
        ),
    ] {
        let rows = found(&[vec![on()], events].concat());
        let reason = rows.rows[0].handler.as_ref().expect("it began").waited_for;
        assert_eq!(reason, expected, "{name}");
    }
}

/// Signal 12 interrupts a system call.
fn in_call(at: Nanos) -> Event {
    let Event::SignalDeliver(delivery) = delivered(at, 12) else { unreachable!("it is a delivery") };
    Event::SignalDeliver(SignalDeliver { syscall: Some(23), ..delivery })
}

/// Signal 12 comes while the handler of 10 runs.
fn in_handler(at: Nanos) -> Event {
    let Event::SignalDeliver(delivery) = delivered(at, 12) else { unreachable!("it is a delivery") };
    Event::SignalDeliver(SignalDeliver { stack: StackId(IN_HANDLER), ..delivery })
}

#[test]
fn signals_that_never_begin_take_no_room() {
    let many = (0..5_000).flat_map(|n| [sent(2 * n, 40), delivered(2 * n + 1, 40)]);
    let rows = found(&[watched(0)].into_iter().chain(many).collect::<Vec<_>>());
    assert_eq!(rows.sum().totals.count, 5_000);
}
