use super::*;
use crate::analysis::samples::{exit, fork, process, signal, symbols_of, task};
use crate::event::{Handler, SignalInfo, SignalResult, StackId, Task};
use crate::report::{Disposition, HandlerState, Origin, Outcome};

const SENDER: Task = Task { pid: 99, tid: 99 };
const MAIN: Task = Task { pid: 7, tid: 7 };
const THREAD: Task = Task { pid: 7, tid: 8 };

fn found(events: &[Event]) -> Bounded<Signal> {
    let (mut signals, mut traced) = (Signals::default(), Traced::default());
    traced.fold(&Event::Process(process(7, "root")));
    for event in events {
        traced.fold(event);
        signals.fold(event, &traced);
    }
    signals.finish(&symbols_of(&[(1, &["a.py:1"]), (2, &["a.py:2"])]))
}

fn generate(at: Nanos, number: u32) -> SignalGenerate {
    SignalGenerate { at, ..signal(number, SENDER, MAIN) }
}

fn sent(at: Nanos, number: u32) -> Event {
    Event::SignalGenerate(generate(at, number))
}

fn delivered(at: Nanos, task: Task, number: u32, handler: Handler) -> Event {
    let (code, stack, syscall) = (0, 1, Some(0));
    Event::SignalDeliver(SignalDeliver {
        at,
        task,
        signal: number,
        code,
        handler,
        stack: StackId(stack),
        syscall,
        main: None,
    })
}

/// Signal, outcome and delay of each row.
fn outcomes(rows: &Bounded<Signal>) -> Vec<(u32, Outcome, Option<Nanos>)> {
    rows.rows.iter().map(|row| (row.number, row.outcome, row.delivered_after_ns)).collect()
}

#[test]
fn a_delivery_closes_the_generation_before_it() {
    use Handler::{C, Default as Dfl, Python};
    let blocked = Event::SignalGenerate(SignalGenerate { blocked: true, ..generate(10, 10) });
    for (name, events, expected) in [
        (
            "handled",
            vec![sent(10, 10), delivered(15, MAIN, 10, Python)],
            vec![(10, Outcome::Handled, Some(5))],
        ),
        (
            "handled in C",
            vec![sent(10, 10), delivered(15, MAIN, 10, C)],
            vec![(10, Outcome::Handled, Some(5))],
        ),
        (
            "another thread",
            vec![sent(10, 10), delivered(15, THREAD, 10, C)],
            vec![(10, Outcome::Handled, Some(5))],
        ),
        ("stopped", vec![sent(10, 19), delivered(15, MAIN, 19, Dfl)], vec![(19, Outcome::Stopped, Some(5))]),
        ("dumps core", vec![sent(10, 6), delivered(15, MAIN, 6, Dfl)], vec![(6, Outcome::Killed, Some(5))]),
        ("never sent", vec![delivered(15, MAIN, 10, C)], vec![]),
        (
            "of another signal",
            vec![sent(10, 10), delivered(15, MAIN, 12, C)],
            vec![(10, Outcome::Pending, None)],
        ),
        (
            "reported too early",
            vec![delivered(15, MAIN, 10, C), sent(10, 10)],
            vec![(10, Outcome::Handled, Some(5))],
        ),
        (
            "before it was sent",
            vec![delivered(5, MAIN, 10, C), sent(10, 10)],
            vec![(10, Outcome::Pending, None)],
        ),
        ("blocked to the end", vec![blocked.clone()], vec![(10, Outcome::Blocked, None)]),
        (
            "blocked for a while",
            vec![blocked.clone(), delivered(90, MAIN, 10, C)],
            vec![(10, Outcome::Handled, Some(80))],
        ),
        (
            "taken by sigwait, then sent again",
            vec![blocked, sent(50, 10), delivered(55, MAIN, 10, C)],
            vec![(10, Outcome::Handled, None), (10, Outcome::Handled, Some(5))],
        ),
        (
            "real-time signals queue",
            vec![sent(10, 40), sent(20, 40), delivered(25, MAIN, 40, C), delivered(26, MAIN, 40, C)],
            vec![(40, Outcome::Handled, Some(15)), (40, Outcome::Handled, Some(6))],
        ),
    ] {
        assert_eq!(outcomes(&found(&events)), expected, "{name}");
    }
}

#[test]
fn what_does_not_wait_any_more_is_decided() {
    let held = |number| Event::SignalGenerate(SignalGenerate { blocked: true, ..generate(10, number) });
    let aimed = Event::SignalGenerate(SignalGenerate { group: false, target: THREAD, ..generate(10, 10) });
    let on = |number: u32| 1_u64 << (number - 1);
    let pending = |shared, thread, ignored| {
        let threads = vec![(7, 0), (8, thread)];
        Event::SignalsPending(crate::event::SignalsPending { pid: 7, shared, threads, ignored })
    };
    let kill = || delivered(12, MAIN, 9, Handler::Default);
    for (name, events, expected) in [
        ("held back", vec![held(10), pending(on(10), 0, 0)], Outcome::Blocked),
        ("taken by sigwait", vec![held(10), pending(on(12), 0, 0)], Outcome::Handled),
        ("ignored after all", vec![held(10), pending(0, 0, on(10))], Outcome::Ignored),
        ("of a process that is stopped", vec![sent(10, 10), pending(on(10), 0, 0)], Outcome::Pending),
        ("its delivery is lost", vec![sent(10, 10), pending(0, on(10), 0)], Outcome::Unknown),
        ("of a thread", vec![aimed.clone(), pending(0, on(10), 0)], Outcome::Pending),
        ("of another queue", vec![aimed, pending(on(10), 0, 0)], Outcome::Unknown),
        ("it has killed", vec![sent(10, 15), kill(), pending(0, 0, 0)], Outcome::Killed),
    ] {
        let rows = found(&events);
        assert_eq!(rows.rows.iter().map(|row| row.outcome).collect::<Vec<_>>(), [expected], "{name}");
    }
}

/// The end of the process, with these signals still waiting in it.
fn ended_with(pending: &[u32], wait_status: u32) -> Event {
    let Event::Exit(end) = exit(20, 7, 1, wait_status) else { unreachable!() };
    let pending_shared = pending.iter().fold(0, |set, signal| set | 1_u64 << (signal - 1));
    Event::Exit(crate::event::Exit { pending_shared, ..end })
}

#[test]
fn what_a_process_took_by_itself_is_reported_when_it_ends() {
    let held = |number| Event::SignalGenerate(SignalGenerate { blocked: true, ..generate(10, number) });
    let aimed = |blocked| {
        let signal = SignalGenerate { group: false, target: THREAD, blocked, ..generate(10, 10) };
        Event::SignalGenerate(signal)
    };
    let thread_end = |pending| {
        let Event::Exit(end) = exit(15, 7, 1, 0) else { unreachable!() };
        Event::Exit(crate::event::Exit { task: THREAD, last_thread: false, pending, ..end })
    };
    let end = |pending: &[u32]| ended_with(pending, 0);
    for (name, events, outcome, state) in [
        ("by sigwait", vec![held(10), end(&[])], Outcome::Handled, HandlerState::None),
        ("not at all", vec![held(10), end(&[10])], Outcome::Blocked, HandlerState::None),
        ("of no interest at its end", vec![held(17), end(&[])], Outcome::Unknown, HandlerState::None),
        ("its delivery was lost", vec![sent(10, 10), end(&[])], Outcome::Unknown, HandlerState::None),
        ("it had no time", vec![sent(10, 10), end(&[10])], Outcome::Pending, HandlerState::None),
        ("by a thread", vec![aimed(true), thread_end(0), end(&[10])], Outcome::Handled, HandlerState::None),
        (
            "the thread ended",
            vec![aimed(false), thread_end(1 << 9), end(&[])],
            Outcome::Pending,
            HandlerState::None,
        ),
    ] {
        let row = &found(&events).rows[0];
        assert_eq!((row.outcome, row.handler_state), (outcome, state), "{name}");
    }
}

#[test]
fn a_child_from_before_gets_what_ends_it() {
    let old = Event::Process(process(8, "old"));
    let from_a_stranger = Event::SignalGenerate(signal(9, SENDER, task(8, 8)));
    let kill = delivered(15, task(8, 8), 9, Handler::Default);
    let rows = found(&[old, from_a_stranger, kill, exit(16, 8, 7, 9)]);
    assert_eq!(outcomes(&rows), [(9, Outcome::Killed, Some(15))]);
}

#[test]
fn what_is_sent_to_others_is_followed_to_its_delivery() {
    let other = task(50, 50);
    let to_other = || Event::SignalGenerate(signal(10, MAIN, other));
    for (name, handler, expected) in [
        ("handled, in C or in Python", Handler::C, (None, HandlerState::Unknown, Outcome::Handled)),
        ("killed", Handler::Default, (Some(Disposition::Default), HandlerState::None, Outcome::Killed)),
        ("ignored", Handler::Ignore, (Some(Disposition::Ignored), HandlerState::None, Outcome::Ignored)),
    ] {
        let row = &found(&[to_other(), delivered(15, other, 10, handler)]).rows[0];
        assert_eq!((row.disposition, row.handler_state, row.outcome), expected, "{name}");
    }
    assert_eq!(outcomes(&found(&[to_other()])), [(10, Outcome::Pending, None)]);
}

#[test]
fn a_burst_is_reported_to_the_last_signal() {
    let burst = (0..20_000)
        .map(|n| sent(n, 40))
        .chain((0..20_000).map(|n| delivered(30_000 + n, MAIN, 40, Handler::C)));
    let rows = found(&burst.collect::<Vec<_>>());
    assert_eq!(rows.sum().totals.count, 20_000);
    assert!(rows.rows.iter().all(|row| row.outcome == Outcome::Handled));
}

#[test]
fn a_delivered_sigkill_stands_for_the_signal_that_kills() {
    let kill = |at, task| delivered(at, task, 9, Handler::Default);
    let blocked = Event::SignalGenerate(SignalGenerate { blocked: true, ..generate(10, 15) });
    for (name, events, expected) in [
        ("SIGKILL", vec![sent(10, 9), kill(12, MAIN), kill(13, THREAD)], vec![(9, Outcome::Killed, Some(2))]),
        (
            "SIGTERM",
            vec![sent(10, 15), kill(12, THREAD), kill(13, MAIN)],
            vec![(15, Outcome::Killed, Some(2))],
        ),
        (
            "SIGTERM, and the end is seen",
            vec![sent(10, 15), kill(12, MAIN), exit(20, 7, 1, 15)],
            vec![(15, Outcome::Killed, Some(2))],
        ),
        (
            "two, and the end shows which",
            vec![sent(10, 2), sent(11, 15), kill(12, MAIN), ended_with(&[2, 15], 15)],
            vec![(2, Outcome::Pending, None), (15, Outcome::Killed, Some(1))],
        ),
        ("killed, no delivery seen", vec![sent(10, 9), exit(20, 7, 1, 9)], vec![(9, Outcome::Killed, None)]),
        ("exit_group", vec![kill(12, MAIN), kill(13, THREAD), exit(20, 7, 1, 0)], vec![]),
        (
            "exit_group before a handler ran",
            vec![sent(10, 15), kill(12, THREAD), ended_with(&[15], 0)],
            vec![(15, Outcome::Pending, None)],
        ),
        (
            "exit_group with a blocked signal",
            vec![blocked, kill(12, THREAD)],
            vec![(15, Outcome::Blocked, None)],
        ),
    ] {
        assert_eq!(outcomes(&found(&events)), expected, "{name}");
    }
}

#[test]
fn the_kernel_decides_some_at_once() {
    for (name, number, result, outcome, disposition) in [
        ("ignored", 17, SignalResult::Ignored, Outcome::Ignored, Some(Disposition::Ignored)),
        ("sent to a zombie", 9, SignalResult::Ignored, Outcome::Ignored, None),
        ("one was pending", 15, SignalResult::AlreadyPending, Outcome::Coalesced, None),
        ("queue full", 40, SignalResult::OverflowFail, Outcome::Ignored, None),
        ("continued", 18, SignalResult::Ignored, Outcome::Continued, None),
        ("queued without siginfo", 40, SignalResult::LoseInfo, Outcome::Pending, None),
    ] {
        let rows = found(&[Event::SignalGenerate(SignalGenerate { result, ..generate(10, number) })]);
        let row = &rows.rows[0];
        assert_eq!((row.outcome, row.disposition), (outcome, disposition), "{name}");
    }
}

#[test]
fn a_signal_aimed_at_a_thread_is_delivered_to_it_and_first() {
    let aimed = Event::SignalGenerate(SignalGenerate { group: false, target: THREAD, ..generate(11, 10) });
    let rows = found(&[
        sent(10, 10),
        aimed,
        delivered(20, THREAD, 10, Handler::C),
        delivered(30, THREAD, 10, Handler::C),
    ]);
    assert_eq!(outcomes(&rows), [(10, Outcome::Handled, Some(20)), (10, Outcome::Handled, Some(9))]);
    assert_eq!(rows.rows.iter().map(|row| row.target.tid).collect::<Vec<_>>(), [Some(8), Some(8)]);
}

#[test]
fn reports_sender_receiver_and_what_was_interrupted() {
    let generated = SignalGenerate { stack: StackId(2), current: task(7, 8), ..generate(10, 10) };
    let rows = found(&[Event::SignalGenerate(generated), delivered(15, MAIN, 10, Handler::Python)]);
    let row = &rows.rows[0];
    let sender = row.sender.as_ref().unwrap();
    assert_eq!(
        (sender.pid, sender.tid, sender.uid, &sender.comm),
        (Some(7), Some(8), 1000, &"sender".into())
    );
    assert_eq!(row.sender_stack.as_ref().unwrap()[0].line, Some(2));
    let interrupted = row.interrupted.as_ref().unwrap();
    assert_eq!(interrupted.syscall.as_deref(), Some("read"));
    assert_eq!(interrupted.frame.as_ref().unwrap().line, Some(1));
    assert_eq!((row.disposition, row.handler_state), (Some(Disposition::Python), HandlerState::Unknown));
    assert_eq!((row.signal.as_str(), row.origin, row.target.tid), ("SIGUSR1", Origin::Kill, Some(7)));
}

#[test]
fn nobody_sends_what_the_kernel_sends() {
    let code = |code, pid| SignalInfo::Code { code, pid };
    for (name, number, info, sender) in [
        ("a timer", 14, SignalInfo::Kernel, None),
        ("a fault", 11, code(1, 0), None),
        ("a child", 17, code(1, 99), Some(99)),
        ("a child that another process sends it for", 17, code(1, 55), None),
        ("a program", 15, code(0, 99), Some(99)),
        ("without siginfo", 15, SignalInfo::None, Some(99)),
    ] {
        let rows = found(&[Event::SignalGenerate(SignalGenerate { info, ..generate(10, number) })]);
        assert_eq!(rows.rows[0].sender.as_ref().and_then(|sender| sender.pid), sender, "{name}");
    }
}

#[test]
fn only_signals_to_or_from_traced_processes_are_rows() {
    let between = |from, to, info| Event::SignalGenerate(SignalGenerate { info, ..signal(15, from, to) });
    let (user, kernel) = (SignalInfo::Code { code: 0, pid: 0 }, SignalInfo::Kernel);
    let (foreign, child) = (task(50, 50), task(60, 60));
    for (name, events, rows) in [
        ("to one", vec![between(SENDER, MAIN, user)], 1),
        ("to a child", vec![fork(1, 7, 60, 0), between(SENDER, child, user)], 1),
        ("from one", vec![between(MAIN, foreign, user)], 1),
        ("between others", vec![between(SENDER, foreign, user)], 0),
        ("the kernel's, while one runs", vec![between(MAIN, foreign, kernel)], 0),
    ] {
        assert_eq!(found(&events).rows.len(), rows, "{name}");
    }
}

#[test]
fn alike_signals_share_a_row_when_there_are_many_and_none_is_lost() {
    let child = |n: u32| {
        let info = SignalInfo::Code { code: 1, pid: n };
        let result = SignalResult::Ignored;
        let notice = signal(17, task(n, n), MAIN);
        Event::SignalGenerate(SignalGenerate { at: n.into(), info, result, ..notice })
    };
    for (name, children, rows_expected) in [("few", 900, 901), ("many", 50_000, 2)] {
        let last = [sent(60_000, 15), delivered(60_001, MAIN, 15, Handler::Python)];
        let rows = found(&(100..100 + children).map(child).chain(last).collect::<Vec<_>>());
        assert_eq!(rows.rows.len(), rows_expected, "{name}");
        assert_eq!(rows.sum().totals.count, u64::from(children) + 1, "{name}");
        assert_eq!(rows.rows[0].at_ns, 100, "{name}");
        assert_eq!(rows.rows.last().unwrap().number, 15, "{name}");
    }
}

#[test]
fn rows_that_are_all_different_are_counted_beyond_the_limit() {
    let events = (0..20_000_u32).map(|n| {
        let result = SignalResult::Ignored;
        Event::SignalGenerate(SignalGenerate { result, ..signal(15, task(1_000 + n, 1_000 + n), MAIN) })
    });
    let rows = found(&events.collect::<Vec<_>>());
    assert_eq!(rows.sum().omitted, 20_000);
    assert_eq!(rows.sum().totals.count, 20_000);
}

#[test]
fn signals_to_strangers_without_end_are_reported_and_take_no_more_room() {
    let (mut signals, mut traced) = (Signals::default(), Traced::default());
    traced.fold(&Event::Process(process(7, "root")));
    const MANY: u32 = 5_000;
    for pid in 1000..1000 + MANY {
        let event = SignalGenerate { at: pid.into(), ..signal(10, MAIN, Task { pid, tid: pid }) };
        signals.fold(&Event::SignalGenerate(event), &traced);
    }
    assert!(signals.open.len() <= STRANGERS && signals.strangers.len() <= STRANGERS);
    let found = signals.finish(&symbols_of(&[]));
    assert_eq!(found.sum().totals.count, u64::from(MANY));
}

#[test]
fn signals_whose_ends_are_not_seen_are_counted_and_take_no_more_room() {
    let (mut signals, mut traced) = (Signals::default(), Traced::default());
    traced.fold(&Event::Process(process(7, "root")));
    const SENT: u64 = 70_000;
    for at in 0..SENT {
        let sent = SignalGenerate { at, ..signal(34, task(99, 99), task(7, 7)) };
        signals.fold(&Event::SignalGenerate(sent), &traced);
    }
    assert_eq!(signals.open[&7].len(), open::PENDING);
    for pid in 100..100 + SENT as u32 {
        traced.fold(&Event::Process(process(pid, "child")));
        let sent = SignalGenerate { at: 5, ..signal(34, task(99, 99), task(pid, pid)) };
        signals.fold(&Event::SignalGenerate(sent), &traced);
        traced.fold(&Event::Free { at: 6, pid });
    }
    assert_eq!(signals.open.len(), PROCESSES);
    assert_eq!(signals.finish(&symbols_of(&[])).sum().totals.count, 2 * SENT);
}
