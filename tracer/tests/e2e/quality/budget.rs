//! A target that does nothing but what costs: detail is given up and said to be, and no count is wrong for it.

use serde_json::Value;

use crate::harness::{Program, Python, Report, Signal, Tracer, number, on_pythons, rows, system, text, turn};

on_pythons! {
    what_is_given_up_is_reported:
    system System,
    python3_13 Release(13),
}

const SECONDS: &str = "4";

fn what_is_given_up_is_reported(python: &Python) {
    let _turn = turn();
    let mut program = Program::start_with(python, "budget.py", &[SECONDS]);
    let tracer = Tracer::attach(program.pid(), &["--budget", "15%"]);
    let truth = program.go();
    let report = tracer.stop().exact();

    let shed: Vec<_> = rows(&report["overhead"]["shed"]).map(|shed| text(&shed["what"])).collect();
    assert!(shed.contains(&"call sites of reads"), "{shed:?}");
    let reads = rows(&report["reads"]).filter(|row| row["path"] == "/dev/zero");
    let (seen, calls) = (reads.map(|row| number(&row["syscalls"])).sum::<u64>(), number(&truth["calls"]));
    if shed.iter().any(|what| what.starts_with("reads")) {
        let covered = number(&report["overhead"]["reads_covered_ns"]);
        assert!(seen < calls && covered < number(&report["window"]["duration_ns"]), "{seen} of {calls}");
    } else {
        assert_eq!(seen, calls, "{shed:?}");
    }
}

/// Rounds of the program, and what it does in between: walks are dear, and there is little else.
const ROUNDS: (&str, &str) = ("15000", "2000");

/// Over the default budget the callers of few switches are read. What is counted stays exact, a caller's part is an
/// estimate that holds its stated error, and one that waits for longer has more of the time than of the switches.
#[test]
fn callers_are_estimated_and_counts_are_exact() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "callers.py", &[ROUNDS.0, ROUNDS.1]);
    let tracer = Tracer::attach(program.pid(), &["--budget", "3%"]);
    let truth = program.go();
    let report = tracer.stop().exact();

    let reads = rows(&report["reads"]).filter(|row| row["path"] == "/dev/zero");
    let (calls, bytes) = reads.fold((0, 0), |(calls, bytes), row| {
        (calls + number(&row["syscalls"]), bytes + number(&row["bytes"]))
    });
    let [often, seldom] = ["often", "seldom"].map(|caller| number(&truth["calls"][caller]));
    assert_eq!((calls, bytes), (often + seldom, number(&truth["bytes"])), "{}", report["overhead"]["shed"]);

    let callers = &report["switches"]["callers"];
    assert!(number(&callers["one_in_at_most"]) >= 2, "{callers} {}", report["overhead"]);
    assert!(number(&callers["estimated"]) > (often + seldom) / 4, "{callers}");
    let sleeps: Vec<_> = rows(&report["switches"]["causes"])
        .filter(|row| row["cause"] == "sleep" && row["stack"][0]["function"] == "helper")
        .collect();
    let slept: u64 = sleeps.iter().map(|row| number(&row["count"])).sum();
    let missed = (often + seldom).saturating_sub(slept);
    assert!(
        slept <= often + seldom && missed <= (often + seldom) / MISSED_SLEEPS,
        "{slept} of {}",
        often + seldom
    );
    let [kernel, checked] =
        ["kernel_voluntary", "checked_voluntary"].map(|kind| number(&report["switches"][kind]));
    assert!(kernel.abs_diff(checked) <= 2, "{checked} counted, {kernel} by the kernel");
    let of = |caller: &str, what: &str| -> u64 {
        let rows = sleeps.iter().filter(|row| row["stack"][1]["function"] == caller);
        rows.map(|row| row[what].as_u64().unwrap_or(0)).sum()
    };
    for (caller, truth) in [("often", often), ("seldom", seldom)] {
        let (count, error) = (of(caller, "count"), of(caller, "count_error"));
        assert!(count.abs_diff(truth) <= 4 * error + missed, "{caller}: {count} ± {error} of {truth}");
        assert!(error < truth / 4, "{caller}: {count} ± {error}");
    }
    // By the number of their switches, those that sleep for 0.4 ms would have 30 % of the time; they have 70 % or so. How long
    // they wait for a CPU then depends on the machine's load.
    let slept = |caller| of(caller, "off_cpu_ns") - of(caller, "run_queue_ns");
    let [often, seldom] = ["often", "seldom"].map(slept);
    assert!(seldom > often, "{seldom} ns of those that sleep long, {often} ns of the others");
}

/// One sleep of so many at most may be none: a thread that is preempted on its way into 50 us of it finds them over when
/// it runs again, and leaves no CPU. Beside other builds 89 of 15,000 were seen.
const MISSED_SLEEPS: u64 = 50;

/// Where there is room, all callers are read, and nothing is said.
#[test]
fn a_quiet_program_is_reported_whole() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "callers.py", &["50", "0"]);
    let tracer = Tracer::attach(program.pid(), &["--budget", "3%"]);
    let truth = program.go();
    let report = tracer.stop().exact();
    assert_eq!(report["switches"]["callers"], Value::Null, "{}", report["overhead"]);
    assert_eq!(report["overhead"]["shed"], serde_json::json!([]));
    for row in rows(&report["switches"]["causes"]) {
        assert_eq!(row["count_error"], Value::Null, "{row}");
    }
    let often = rows(&report["switches"]["causes"])
        .filter(|row| row["stack"][1]["function"] == "often")
        .map(|row| number(&row["count"]));
    assert!(often.sum::<u64>().abs_diff(number(&truth["calls"]["often"])) <= 2);
}

/// Breakpoints at handlers' calls go where there are too many, soon: what they showed is unknown from then on, not missing.
#[test]
fn breakpoints_that_cost_too_much_go() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "arguments.py", &["1", "storm"]);
    let tracer = Tracer::attach(program.pid(), &["--budget", "3%"]);
    assert_eq!(program.go()["handled"], 1);
    let report = tracer.stop().exact();
    let what = "starts of the signal handlers of all processes";
    let shed = rows(&report["overhead"]["shed"]).find(|shed| text(&shed["what"]) == what);
    let shed = shed.unwrap_or_else(|| panic!("{}", report["overhead"]));
    assert!(text(&shed["why"]).starts_with("the breakpoints took "), "{shed}");
    assert!(number(&shed["at_ns"]) < 700_000_000, "{shed}");
    let sent = handled_once(&report);
    assert_eq!((&sent["handler_state"], &sent["outcome"]), (&"unknown".into(), &"handled".into()), "{sent}");
}

/// Who handles no signals runs into no breakpoint, however often it has arguments put together: they stay.
#[test]
fn breakpoints_that_nobody_hits_stay() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "arguments.py", &["1"]);
    let tracer = Tracer::attach(program.pid(), &["--budget", "1%"]);
    assert_eq!(program.go()["handled"], 1);
    let report = tracer.stop().exact();
    let handlers = rows(&report["overhead"]["shed"]).find(|shed| text(&shed["what"]).contains("handlers"));
    assert_eq!(handlers, None);
    assert_eq!(handled_once(&report)["handler_state"], "started");
}

/// The one signal at the end of `arguments.py`.
fn handled_once(report: &Report) -> &Value {
    let sent: Vec<_> = rows(&report["signals"]).filter(|row| row["signal"] == "SIGUSR1").collect();
    let [sent] = sent[..] else { panic!("one signal: {sent:?}") };
    sent
}

/// Where a machine makes very many system calls, those that wait for nothing of ours are spared: reads are seen now and
/// then, which is reported, unless somebody has asked for reads.
#[test]
fn neighbours_that_make_many_calls_are_spared() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut neighbours: Vec<_> =
        (0..2).map(|_| Program::start_with(&python, "neighbours.py", &["calls"])).collect();
    neighbours.iter_mut().for_each(|neighbour| neighbour.say("go"));
    let seen = |flags: &[&str]| {
        let mut program = Program::start_with(&python, "neighbours.py", &["reads", "2.5"]);
        let tracer = Tracer::attach(program.pid(), flags);
        let calls = number(&program.go()["calls"]);
        let report = tracer.stop().exact();
        let reads = rows(&report["reads"]).filter(|row| row["path"] == "/dev/zero");
        (calls, reads.map(|row| number(&row["syscalls"])).sum::<u64>(), report)
    };
    let (calls, reported, report) = seen(&["--budget", "3%"]);
    let overhead = &report["overhead"];
    let shed = rows(&overhead["shed"]).find(|shed| text(&shed["what"]) == "reads, except 0.1 s in 2 s");
    let why = text(&shed.unwrap_or_else(|| panic!("{overhead}"))["why"]);
    assert!(why.starts_with("this machine makes ") && why.ends_with("name reads in --only"), "{why}");
    let covered = number(&overhead["reads_covered_ns"]);
    // The second in which it is found out, and a burst; on a busy machine both may be longer.
    assert!((900_000_000..2_000_000_000).contains(&covered), "{covered}");
    assert!(reported < calls, "{reported} of {calls}");
    let (calls, reported, report) = seen(&["--budget", "3%", "--only", "reads,switches"]);
    assert_eq!((reported, &report["overhead"]["shed"]), (calls, &serde_json::json!([])));
    neighbours.iter().for_each(|neighbour| neighbour.signal(Signal::KILL));
}

/// Children that nobody waits for have used their time all the same: what tracing costs is compared with it.
#[test]
fn what_unwaited_children_used_is_not_forgotten() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "unwaited.py", &["4"]);
    let tracer = Tracer::attach(program.pid(), &["--budget", "20%"]);
    let children = number(&program.go()["children"]);
    let report = tracer.stop().exact();
    assert_eq!(number(&report["processes"]["exited"]), children, "{}", report["processes"]);
    assert_eq!(report["overhead"]["shed"], serde_json::json!([]), "{}", report["overhead"]);
}
