//! Garbage collections, as the collector's own callbacks report them.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{
    Interpreter, Program, Python, Report, Run, Tracer, number, on_every_release, on_other_builds, rows, skip,
    text, turn,
};

/// What a pause may be off by.
const TOLERANCE: f64 = 0.05;
/// Collections of everything that the program asks for.
const FULL: u64 = 6;
/// Processes that can be probed at once, a begin and an end each.
const PROBED: usize = 16;
/// Whatever is attached, a trace ends within a second of Ctrl-C; it is alone then, and waits for the kernel alone.
const DETACHED: Duration = Duration::from_secs(1);

on_every_release!(pauses_agree_with_the_callbacks, who_collects_often_is_not_stopped_for_it);
on_other_builds!(
    pauses_agree_with_the_callbacks as pauses_agree_elsewhere,
    who_collects_often_is_not_stopped_for_it as who_collects_often_elsewhere,
);

fn pauses_agree_with_the_callbacks(python: &Python) {
    let (run, truth) = traced(python, "alone", &[]);
    let report = run.exact();
    // The others are stripped, and have no name for the function that collects.
    if python.path.to_string_lossy().contains("pyenv") {
        exact(python, &report, &truth, number(&truth["pid"]));
    } else {
        at_least(&report, &truth);
    }
}

#[test]
fn a_child_is_seen_as_its_parent_is() {
    let Some(python) = built_with_symbols() else { return };
    let (run, truth) = traced(&python, "child", &["--only", "gc"]);
    exact(&python, &run.exact(), &truth, number(&truth["pid"]));
}

/// Breakpoints at every collection would cost a process that collects often too much: they are gone at once, and the
/// collector's own counts are reported still.
fn who_collects_often_is_not_stopped_for_it(python: &Python) {
    const SECONDS: &str = "4"; // the breakpoints go after a quarter of one, and some tenths later where the machine is busy
    if python.major == 2 {
        return; // it counts nothing
    }
    let _turn = turn();
    let mut program = Program::start_with(python, "collected_counts.py", &[SECONDS]);
    let tracer = Tracer::attach(program.pid(), &["--only", "gc", "--budget", "90%"]);
    let truth: Vec<[u64; 2]> = serde_json::from_value(program.go()).expect("counts by generation");
    let report = tracer.stop().exact();

    let reported: Vec<_> = (0..3).map(|generation| counted(&report, program.pid(), generation)).collect();
    assert_eq!(reported, truth, "{}", report["gc"]);
    let collections: u64 = truth.iter().map(|[collections, _]| collections).sum();
    assert!(collections > 400, "{collections} are not many");
    let probed = rows(&report["overhead"]["programs"]).find(|row| row["name"] == "gc_begin");
    let runs = probed.map_or(0, |row| number(&row["runs"]));
    assert!(4 * runs < collections, "{runs} of {collections} ran into a breakpoint");
    // Collections that began while the breakpoints were taken out did not go on to the end.
    let longest = rows(&report["gc"]["pauses"]).map(|row| number(&row["max_ns"])).max().unwrap_or(0);
    assert!(longest < 1_000_000_000, "{longest} ns: {}", report["gc"]);
    let shed: Vec<_> = rows(&report["overhead"]["shed"]).map(|shed| text(&shed["what"])).collect();
    let expected = (runs > 0).then_some("each garbage collection of processes that collect often");
    assert_eq!(shed, expected.into_iter().collect::<Vec<_>>());
}

/// What the collector has counted of a generation: collections, and objects that they freed.
fn counted(report: &Report, pid: u32, generation: u64) -> [u64; 2] {
    let mut rows = rows(&report["gc"]["collections"]);
    let row = rows.find(|row| row["pid"] == pid && row["generation"] == generation);
    row.map_or([0, 0], |row| {
        assert_eq!(row["at_least"], false, "it was there throughout: {row}");
        [number(&row["count"]), number(&row["collected"])]
    })
}

/// What a collection takes longer while it is traced stands in the overhead, traps and all.
#[test]
fn breakpoints_are_in_the_overhead() {
    /// The traps are measured in a loop that finds all it needs in the caches; the program's own work comes between.
    const WARMER: f64 = 0.35;
    let Some(python) = built_with_symbols() else { return };
    let _turn = turn();
    let mut program = Program::start(&python, "collected_often.py");
    let tracer = Tracer::attach(program.pid(), &["--only", "gc", "--budget", "off"]);
    let truth = program.go();
    let report = tracer.stop().exact();
    program.finish();
    let probes = rows(&report["overhead"]["programs"])
        .filter(|row| ["gc_begin", "gc_end"].contains(&text(&row["name"])));
    let (mut runs, mut programs_ns, mut traps_ns) = (0, 0, 0);
    for probe in probes {
        runs = runs.max(number(&probe["runs"]));
        programs_ns += number(&probe["run_ns"]);
        traps_ns += number(&probe["trap_ns"]);
    }
    assert_eq!(runs, number(&truth["collections"]));
    assert_eq!(number(&report["overhead"]["trap_ns"]), traps_ns, "no other breakpoint was hit");
    let reported = (programs_ns + traps_ns) as f64 / runs as f64;
    let measured = number(&truth["traced_ns"]).saturating_sub(number(&truth["before_ns"])) as f64;
    assert!(
        (reported / measured - 1.0).abs() < WARMER,
        "{reported} ns a collection, {measured} by its own clock"
    );
    assert!(traps_ns > programs_ns / 4, "{traps_ns} ns of traps beside {programs_ns}");
}

#[test]
fn threads_that_waited_are_reported() {
    let Some(python) = built_with_symbols() else { return };
    let (run, _) = traced(&python, "waiting", &["--fail-on", "gc.max>1ms"]);
    assert_eq!(run.code, 3, "the rule holds: {}", run.stderr);
    let report = run.report();
    let full = row(&report, 2);
    assert_eq!((number(&full["count"]), number(&full["waiters"])), (FULL, 2), "{full}");
    assert!(finding(&report).contains("2 threads waited for the GIL meanwhile"), "{}", finding(&report));
}

/// What the report says to do about it is done, and the pauses are gone.
#[test]
fn advice_to_freeze_holds() {
    let Some(python) = built_with_symbols() else { return };
    let (run, _) = traced(&python, "alone", &[]);
    let before = run.exact();
    assert!(finding(&before).contains("6 of them freed nothing: gc.freeze()"), "{}", finding(&before));
    let (run, _) = traced(&python, "frozen", &[]);
    let after = run.exact();
    let total = |report: &Report| number(&row(report, 2)["total_ns"]);
    assert!(total(&after) < total(&before) / 100, "{} {}", total(&before), total(&after));
    assert!(rows(&after["findings"]).all(|found| found["kind"] != "gc_pause"), "{}", after["findings"]);
}

/// Each probe makes the end longer: some children are probed, what the others do is reported as not seen, and the end comes.
#[test]
fn more_children_than_probes_are_not_probed() {
    let Some(python) = built_with_symbols() else { return };
    let _turn = turn();
    let mut program = Program::start(&python, "collectors.py");
    let tracer = Tracer::attach(program.pid(), &["--only", "gc"]);
    let truth = program.go();
    let asked = Instant::now();
    let run = tracer.stop();
    assert!(asked.elapsed() < DETACHED, "it took {:?} to end", asked.elapsed());
    let report = run.exact();
    let shed: Vec<_> = rows(&report["overhead"]["shed"]).map(|shed| text(&shed["what"])).collect();
    assert_eq!(shed, ["each garbage collection of further processes"]);
    let collections = number(&truth["collections"]);
    let (mut probed, mut children) = (0, truth["children"].as_array().expect("a list").clone());
    for row in rows(&report["gc"]["pauses"]) {
        let child = children.iter().position(|child| *child == row["pid"]);
        children.remove(child.unwrap_or_else(|| panic!("none of the children, or reported twice: {row}")));
        let is_probed = row["sampled"] == false;
        let exactly = if is_probed { collections } else { 1 }..=collections;
        assert!(exactly.contains(&number(&row["count"])), "{row}");
        probed += usize::from(is_probed);
    }
    assert!((PROBED / 2..=PROBED).contains(&probed), "{probed} processes: {}", report["gc"]);
}

fn traced(python: &Python, mode: &str, flags: &[&str]) -> (Run, Value) {
    let _turn = turn();
    let mut program = Program::start_with(python, "gc_pauses.py", &[mode]);
    let tracer = Tracer::attach(program.pid(), flags);
    let truth = program.go();
    (tracer.stop(), truth)
}

/// As many as the callbacks saw, and as long.
#[track_caller]
fn exact(python: &Python, report: &Report, truth: &Value, pid: u64) {
    assert_eq!(text(&report["gc"]["method"]), "probe");
    let has_callbacks = python.major == 3;
    let generations = if has_callbacks { 0..3 } else { 2..3 };
    for generation in generations {
        let found: Vec<_> =
            rows(&report["gc"]["pauses"]).filter(|row| row["generation"] == generation).collect();
        let sum = |key: &str| found.iter().map(|row| number(&row[key])).sum::<u64>();
        let of: Vec<_> = pauses(truth).filter(|pause| pause["generation"] == generation).collect();
        assert_eq!(sum("count"), of.len() as u64, "generation {generation}: {found:?}");
        if has_callbacks {
            let collected: u64 = of.iter().map(|pause| number(&pause["collected"])).sum();
            assert_eq!(sum("collected"), collected, "generation {generation}: {found:?}");
        }
        assert!(found.iter().all(|row| row["pid"] == pid && row["sampled"] == false), "{found:?}");
    }
    let full = row(report, 2);
    let took =
        pauses(truth).filter(|pause| pause["generation"] == 2).map(|pause| number(&pause["ns"])).sum::<u64>();
    let error = (number(&full["total_ns"]) as f64 - took as f64) / took as f64;
    assert!(error.abs() < TOLERANCE, "off by {error}: {full}, {truth}");
    assert_eq!(number(&full["count"]), FULL);
    let (by, line) = (&full["started_by"], &truth["full"]);
    assert_eq!((&by["file"], &by["line"]), (&line["file"], &line["line"]));
}

/// Some of what the callbacks saw, and nothing else.
#[track_caller]
fn at_least(report: &Report, truth: &Value) {
    assert_eq!(text(&report["gc"]["method"]), "sampled");
    let found: Vec<_> = rows(&report["gc"]["pauses"]).collect();
    assert!(found.iter().all(|row| row["sampled"] == true && row["generation"].is_null()), "{found:?}");
    let sum = |key: &str| found.iter().map(|row| number(&row[key])).sum::<u64>();
    assert!((1..=pauses(truth).count() as u64).contains(&sum("count")), "{found:?}");
    assert!(sum("total_ns") <= pauses(truth).map(|pause| number(&pause["ns"])).sum(), "{found:?}, {truth}");
    let longest = pauses(truth).map(|pause| number(&pause["ns"])).max();
    assert!(found.iter().map(|row| number(&row["max_ns"])).max() <= longest, "{found:?}, {truth}");
}

fn pauses(truth: &Value) -> impl Iterator<Item = &Value> {
    truth["pauses"].as_array().expect("a list").iter()
}

/// The row of a generation with the most time.
#[track_caller]
fn row(report: &Report, generation: u64) -> &Value {
    let mut found = rows(&report["gc"]["pauses"]).filter(|row| row["generation"] == generation);
    found.next().unwrap_or_else(|| panic!("no generation {generation}: {}", report["gc"]))
}

#[track_caller]
fn finding(report: &Report) -> &str {
    let found = rows(&report["findings"]).find(|found| found["kind"] == "gc_pause");
    text(&found.unwrap_or_else(|| panic!("no finding: {}", report["findings"]))["text"])
}

fn built_with_symbols() -> Option<Python> {
    let found = rustix::process::geteuid().is_root().then(|| Interpreter::Release(12).find()).flatten();
    if found.is_none() {
        skip("no build of 3.12 with symbols, or no root");
    }
    found
}
