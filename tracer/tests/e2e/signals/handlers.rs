//! Python handlers begin when the program says, and wait for what the program makes them wait for.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{
    Program, Python, Report, Signal, Tracer, in_window, number, on_every_python, on_every_release,
    on_other_builds, rows, site, system, text, turn,
};

/// Signals of each kind.
const TIMES: &str = "10";
/// From CPython's call of the handler to the program's reading of the clock.
const TO_THE_FIRST_LINE_NS: u64 = 100_000;
/// From the program's reading of the clock to the return of whatever called the handler.
const FROM_THE_LAST_LINE_NS: u64 = 100_000;

/// Processes whose handlers are watched, the parent included.
const WATCHED: usize = 32;
/// Whatever is attached, a trace ends within a second of Ctrl-C; it is alone then, and waits for the kernel alone.
const DETACHED: Duration = Duration::from_secs(1);

on_every_release!(starts_are_exact);
on_other_builds!(starts_are_exact as starts_are_exact_elsewhere);
on_every_python!(ends_are_exact);

fn starts_are_exact(python: &Python) {
    check(python, &[TIMES]);
}

/// A handler for each of many signals.
#[test]
fn starts_of_many_are_exact() {
    let Some(python) = system() else { return };
    check(&python, &[TIMES, "many"]);
}

fn ends_are_exact(python: &Python) {
    let _turn = turn();
    let mut program = Program::start_with(python, "handlers.py", &["10"]);
    let tracer = Tracer::attach(program.pid(), &["--handler-ends"]);
    let truth = program.go();
    let report = tracer.stop().exact();
    agrees(python, &report, &truth);
    let starts = starts(&report, &truth);
    let is_exact = |start: &&Start| {
        let ended = number(&start.row["at_ns"]) + number(&start.row["handler"]["ended_after_ns"]);
        assert!(start.ended_ns <= ended, "{}: ended at {}: {}", start.mode, start.ended_ns, start.row);
        ended - start.ended_ns < FROM_THE_LAST_LINE_NS
    };
    let exact = starts.iter().filter(is_exact).count();
    assert!(exact * 2 > starts.len(), "{exact} of {} ends are exact", starts.len());
}

#[test]
fn handlers_that_are_set_later_are_seen() {
    let Some(python) = system() else { return };
    check(&python, &["10", "late"]);
}

#[test]
fn handlers_of_a_child_are_seen() {
    let Some(python) = system() else { return };
    check(&python, &["10", "child"]);
}

#[test]
fn a_tracer_that_is_killed_leaves_no_breakpoint() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "handlers.py", &["10"]);
    for _ in 0..3 {
        let tracer = Tracer::attach(program.pid(), &[]);
        tracer.signal(Signal::KILL);
        tracer.end();
    }
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    agrees(&python, &tracer.stop().exact(), &truth);
}

/// Before Linux 6.10, each breakpoint makes the end longer: most children are watched, of the others it is reported that they are not.
#[test]
fn more_children_than_breakpoints_are_reported() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start(&python, "handled.py");
    let tracer = Tracer::attach(program.pid(), &["--only", "signals"]);
    let truth = program.go();
    assert_eq!(truth["failed"], Value::Array(Vec::new()));
    let asked = Instant::now();
    let run = tracer.stop();
    assert!(asked.elapsed() < DETACHED, "it took {:?} to end", asked.elapsed());
    let report = run.exact();
    let shed: Vec<_> = rows(&report["overhead"]["shed"]).map(|shed| text(&shed["what"])).collect();
    assert_eq!(shed, ["starts of the signal handlers of further processes"]);
    let (mut started, mut unknown) = (0, 0);
    let children = rows(&truth["children"]).map(number);
    for child in children {
        let sent = rows(&report["signals"]).filter(|row| row["signal"] == "SIGUSR1");
        let sent: Vec<_> = sent.filter(|row| number(&row["target"]["pid"]) == child).collect();
        assert_eq!(sent.iter().map(|row| number(&row["count"])).sum::<u64>(), number(&truth["signals"]));
        let all = |state: &str| sent.iter().all(|row| row["handler_state"] == state);
        assert!(all("started") || all("unknown"), "{sent:?}");
        if all("started") { started += 1 } else { unknown += 1 }
    }
    assert!((WATCHED / 2..WATCHED).contains(&started) && unknown > 0, "{started}, and {unknown} not");
}

/// Breakpoints in those that have ended are removed while others are set.
#[test]
fn children_that_end_soon_are_watched() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start(&python, "short_lives.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    assert_eq!(truth["failed"], 0);
    let asked = Instant::now();
    let report = tracer.stop().exact();
    assert!(asked.elapsed() < DETACHED, "it took {:?} to end", asked.elapsed());
    let shed: Vec<_> = rows(&report["overhead"]["shed"]).collect();
    // Eight live at a time. On a busy machine more than 32 have to be noticed to have ended; nothing else is given up.
    let further = "starts of the signal handlers of further processes";
    assert!(shed.iter().all(|row| row["what"] == further), "{shed:?}");
    let sent = rows(&report["signals"]).filter(|row| row["signal"] == "SIGUSR1");
    let sent: Vec<_> = sent.map(|row| (number(&row["count"]), text(&row["handler_state"]))).collect();
    assert_eq!(sent.iter().map(|(count, _)| count).sum::<u64>(), number(&truth["children"]));
    assert!(sent.iter().all(|(_, state)| ["started", "unknown"].contains(state)), "{sent:?}");
    assert!(sent.iter().any(|(_, state)| *state == "started"), "{sent:?}");
}

fn check(python: &Python, arguments: &[&str]) {
    let _turn = turn();
    let mut program = Program::start_with(python, "handlers.py", arguments);
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    agrees(python, &report, &truth);
    assert!(program.answers());
}

/// A handler as the report and the program describe it.
struct Start<'a> {
    mode: &'a str,
    row: &'a Value,
    /// When its first line ran, in the window.
    began_ns: u64,
    /// When its last line ran.
    ended_ns: u64,
}

fn agrees(python: &Python, report: &Report, truth: &Value) {
    let mut shed = rows(&report["overhead"]["shed"]);
    assert_eq!(shed.find(|shed| text(&shed["what"]).contains("signal")), None);
    let started = rows(&report["signals"]).filter(|row| row["handler_state"] == "started");
    let started: u64 = started.map(|row| number(&row["count"])).sum();
    let program = rows(&report["overhead"]["programs"]).find(|program| program["name"] == "handler");
    let runs = program.map(|program| number(&program["runs"]));
    assert_eq!(runs, Some(started), "what puts other arguments together runs into no breakpoint");
    exact_for_the_right_reason(python, report, truth);
}

fn exact_for_the_right_reason(python: &Python, report: &Report, truth: &Value) {
    let starts = starts(report, truth);
    for start in &starts {
        assert_eq!(
            (&start.row["handler_state"], &start.row["outcome"]),
            (&"started".into(), &"handled".into())
        );
        assert_eq!(site(&start.row["handler"]["frame"]), site(&truth["handler"]), "{}", start.row);
    }
    let mut all_exact = 0;
    for mode in rows(&truth["modes"]).map(|mode| text(&mode["mode"])) {
        let of_mode: Vec<_> = starts.iter().filter(|start| start.mode == mode).collect();
        let exact = of_mode.iter().filter(|start| is_exact(start)).count();
        assert!(exact * 5 >= of_mode.len(), "{mode}: {exact} of {} starts are exact", of_mode.len());
        all_exact += exact;
        has_reason(python, mode, &of_mode);
    }
    // The median: a busy machine has other things to do, too, between the two moments.
    assert!(all_exact * 2 > starts.len(), "{all_exact} of {} starts are exact", starts.len());
}

fn starts<'a>(report: &'a Report, truth: &'a Value) -> Vec<Start<'a>> {
    let sent = rows(&report["signals"]).filter(|row| row["signal"] == "SIGUSR1");
    let sent: Vec<_> = sent.filter(|row| row["target"]["pid"] == truth["pid"]).collect();
    let ran = rows(&truth["modes"]).flat_map(|mode| {
        let times = rows(&mode["began"]).zip(rows(&mode["ended"]));
        let ran = move |(began, ended)| (text(&mode["mode"]), number(began), number(ended));
        times.map(ran)
    });
    let ran: Vec<_> = ran.collect();
    assert_eq!(sent.len(), ran.len(), "a row for each signal");
    let start = |(row, (mode, began, ended))| Start {
        mode,
        row,
        began_ns: in_window(report, began),
        ended_ns: in_window(report, ended),
    };
    sent.into_iter().zip(ran).map(start).collect()
}

/// The handler's first line follows its start, and soon.
fn is_exact(start: &Start<'_>) -> bool {
    let after = &start.row["handler"]["started_after_ns"];
    let started = number(&start.row["at_ns"]) + number(after);
    assert!(started <= start.began_ns, "{}: began at {}: {}", start.mode, start.began_ns, start.row);
    start.began_ns - started < TO_THE_FIRST_LINE_NS
}

/// Chance may end a wait early, and a busy machine adds waits of its own, of which nothing is said.
fn has_reason(python: &Python, mode: &str, starts: &[&Start<'_>]) {
    let expected = match mode {
        "pure" | "asleep" => "nothing",
        "wants_gil" if !python.has_gil => "nothing",
        "wants_gil" => "gil",
        reason => reason,
    };
    let reported: Vec<_> = starts.iter().map(|start| &start.row["handler"]["waited_for"]).collect();
    let fits = |reported: &Value| reported.is_null() || reported == "nothing" || reported == expected;
    let others: Vec<_> = starts.iter().filter(|start| !fits(&start.row["handler"]["waited_for"])).collect();
    // A signal that comes between the interpreter's check and its system call waits for the call's end; and a thread whose
    // CPU the host has taken away for long looks as if it were in C.
    let is_chance = |start: &&&Start<'_>| start.row["handler"]["waited_for"] == "c_call";
    let wrong = others.iter().find(|start| !is_chance(start));
    assert!(wrong.is_none(), "{mode}: {}", wrong.expect("there is one").row);
    assert!(others.len() * 5 <= starts.len(), "{mode}: {} of {} are c_call", others.len(), starts.len());
    let fitting = reported.iter().filter(|reported| **reported == expected).count();
    // Those that waited for a CPU most of the time: the report has that time apart from the reason.
    let without_cpu = |start: &&&Start<'_>| {
        let handler = &start.row["handler"];
        2 * handler["run_queue_ns"].as_u64().unwrap_or(0) > number(&handler["started_after_ns"])
    };
    let had_cpu = starts.len() - starts.iter().filter(without_cpu).count();
    let least = match mode {
        "pure" | "asleep" => had_cpu.min(1),
        // 2.7 gives the GIL away without a fight.
        "wants_gil" if python.major == 2 => 0,
        _ => had_cpu / 3,
    };
    assert!(fitting >= least, "{mode}: {fitting} of {} are {expected}: {reported:?}", starts.len());
}
