//! `tracer dump`: where every thread is, without stopping the process.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{
    Program, Python, Status, Tracer, number, on_every_python, on_every_release, on_other_builds,
    on_other_builds_with_gil, on_other_builds_without_gil, rows, run, stack, system, text, turn, until,
};

on_every_release!(
    stacks_equal_current_frames,
    sleeps_have_their_names,
    traces_name_the_same_lines,
    who_holds_the_gil,
);
on_other_builds!(stacks_equal_current_frames as stacks_equal_current_frames_elsewhere);
on_other_builds!(
    sleeps_have_their_names as sleeps_have_their_names_elsewhere,
    traces_name_the_same_lines as traces_name_the_same_lines_elsewhere,
);
on_other_builds_with_gil!(who_holds_the_gil as who_holds_the_gil_elsewhere);
on_other_builds_without_gil!(nobody_holds_a_gil as nobody_holds_a_gil);
on_every_python!(a_thousand_threads_take_no_second);

/// A dump of a process, whose exit code was 0.
pub struct Dump(pub Value);

impl Dump {
    #[track_caller]
    pub fn new(pid: u32, flags: &[&str]) -> Self {
        let pid = pid.to_string();
        let run = run(["dump", "--json", "--pid", &pid].iter().chain(flags));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
        let dump: Value = serde_json::from_str(&run.stdout).expect("one JSON object");
        assert_eq!(dump["schema"], "tracer.dump/1");
        Self(dump)
    }

    #[track_caller]
    pub fn thread(&self, tid: &Value) -> &Value {
        let thread = rows(&self.0["threads"]).find(|thread| thread["tid"] == *tid);
        thread.unwrap_or_else(|| panic!("no thread {tid}"))
    }
}

fn stacks_equal_current_frames(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "walk.py");
    let truth = program.go();
    let before = switches(&program, &truth);
    let dump = Dump::new(program.pid(), &["--depth", "1024"]);
    for parked in rows(&truth) {
        let thread = dump.thread(&parked["tid"]);
        assert_eq!(stack(&thread["stack"]), stack(&parked["stack"]), "thread {}", parked["tid"]);
        assert_eq!((&thread["status"], &thread["state"]), (&"ok".into(), &"sleeping".into()));
        assert_eq!(thread["sleeps_in"], "read");
    }
    assert_eq!(switches(&program, &truth), before, "nobody was woken");
    assert_eq!(Status::new(program.pid()).expect("it lives").tracer_pid(), "0");
}

/// `/proc/PID/task/TID/status` of each thread: state and switch counters.
fn switches(program: &Program, truth: &Value) -> Vec<String> {
    let status = |tid: &Value| fs::read_to_string(format!("/proc/{}/task/{tid}/status", program.pid()));
    let counters = |text: String| {
        let lines = text.lines().filter(|line| line.contains("ctxt_switches") || line.starts_with("State"));
        lines.collect::<Vec<_>>().join(" ")
    };
    rows(truth).map(|thread| counters(status(&thread["tid"]).expect("a thread that lives"))).collect()
}

fn sleeps_have_their_names(python: &Python) {
    let mut program = Program::start(python, "dump.py");
    let truth = program.go();
    let dump = Dump::new(program.pid(), &[]);
    for (name, calls) in [
        ("reader", &["read"][..]),
        ("sleeper", &["clock_nanosleep", "select", "pselect6"]),
        ("locker", &["futex"]),
        ("selector", &["select", "pselect6"]),
    ] {
        let thread = dump.thread(&truth[name]["tid"]);
        assert_eq!(stack(&thread["stack"]), stack(&truth[name]["stack"]), "{name}");
        assert!(calls.contains(&text(&thread["sleeps_in"])), "{name}: {thread}");
        assert_eq!(thread["waits_for"], Value::Null, "{name}");
        let nobody = if knows_holder(python) { Value::Bool(false) } else { Value::Null };
        assert_eq!(thread["holds_gil"], nobody, "{name}");
    }
    assert_eq!(dump.thread(&program.pid().into())["sleeps_in"], "read", "the main thread reads its stdin");
    let process = &dump.0["target"]["processes"][0];
    assert!(text(&process["python"]).starts_with(&python.version_prefix()), "{process}");
}

/// A trace of threads that sleep throughout names the same lines as the program, and no others.
fn traces_name_the_same_lines(python: &Python) {
    let mut program = Program::start(python, "dump.py");
    let truth = program.go();
    let tracer = Tracer::attach(program.pid(), &["--depth", "1024"]);
    let report = tracer.stop().exact();
    for name in ["reader", "sleeper", "locker", "selector"] {
        let (tid, expected) = (&truth[name]["tid"], stack(&truth[name]["stack"]));
        let of_thread = rows(&report["frames"]["stacks"]).filter(|row| row["tid"] == *tid);
        let seen: Vec<_> = of_thread.map(|row| stack(&row["stack"])).collect();
        assert_eq!(seen, [expected], "{name}");
    }
}

fn knows_holder(python: &Python) -> bool {
    python.has_gil && (python.major, python.minor) >= (3, 7)
}

fn nobody_holds_a_gil(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "dump.py");
    program.go();
    program.say("hog");
    let both_run = || {
        let dump = Dump::new(program.pid(), &[]);
        let runs = |name: &str| {
            let mut all = rows(&dump.0["threads"]);
            all.any(|thread| {
                thread["state"] == "running"
                    && stack(&thread["stack"]).iter().any(|site| site.starts_with(name))
            })
        };
        (runs("hog ") && runs("contender ")).then_some(dump)
    };
    let dump = until("two threads that run at once", both_run);
    let none = |thread: &Value| thread["holds_gil"].is_null() && thread["waits_for"].is_null();
    assert!(rows(&dump.0["threads"]).all(none), "{:#}", dump.0);
}

fn who_holds_the_gil(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "dump.py");
    let parked = program.go();
    program.say("hog");
    let dump = hogged(&program);
    let holder = dump.thread(&program.pid().into());
    assert_eq!((&holder["state"], &holder["status"]), (&"running".into(), &"ok".into()), "{holder}");
    let site = stack(&holder["stack"]);
    // What others built runs the program from a start-up module of theirs.
    let outermost = site.iter().rfind(|site| site.contains("/dump.py"));
    assert!(site[0].starts_with("hog ") && outermost.is_some_and(|site| site.starts_with("<module> ")));

    let all = rows(&dump.0["threads"]);
    let mut waiting =
        all.filter(|thread| stack(&thread["stack"]).iter().any(|site| site.starts_with("contender ")));
    let waiting = waiting.next().expect("the thread that wants the GIL");
    if knows_holder(python) {
        assert_eq!((&holder["holds_gil"], &waiting["holds_gil"]), (&true.into(), &false.into()));
    }
    assert_eq!((&waiting["sleeps_in"], &waiting["waits_for"]), (&"futex".into(), &"gil".into()), "{waiting}");
    let sleeper = dump.thread(&parked["sleeper"]["tid"]);
    assert_eq!(
        stack(&sleeper["stack"]),
        stack(&parked["sleeper"]["stack"]),
        "sleeping threads are seen all the same"
    );
}

/// Once the GIL is not given away any more, and the thread that has it runs: on a busy machine it may have no CPU when it is
/// read, or lose it meanwhile.
fn hogged(program: &Program) -> Dump {
    until("a thread that runs with the GIL, and one that waits for it", || {
        let dump = Dump::new(program.pid(), &[]);
        let holder = dump.thread(&program.pid().into());
        let hogs = stack(&holder["stack"])[0].starts_with("hog ") && holder["status"] == "ok";
        let waits = rows(&dump.0["threads"]).any(|thread| thread["waits_for"] == "gil");
        (hogs && waits && holder["state"] == "running").then_some(dump)
    })
}

fn a_thousand_threads_take_no_second(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "crowd.py");
    let truth = program.go();
    let (dump, took) = quickest(|| Dump::new(program.pid(), &[]));
    let threads: Vec<_> = rows(&dump.0["threads"]).collect();
    assert_eq!(threads.len() as u64, number(&truth["threads"]));
    let parked =
        threads.iter().filter(|thread| stack(&thread["stack"]).iter().any(|site| site.starts_with("wait ")));
    assert_eq!(parked.count(), threads.len() - 1);
    assert!(threads.iter().all(|thread| thread["status"] == "ok"));
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// The quickest of three: others run on this machine too.
fn quickest<T>(mut act: impl FnMut() -> T) -> (T, Duration) {
    let times = (0..3).map(|_| {
        let started = Instant::now();
        (act(), started.elapsed())
    });
    times.min_by_key(|(_, took)| *took).expect("three times")
}

#[test]
fn text_has_a_block_for_each_thread() {
    let Some(python) = system() else { return };
    let mut program = Program::start(&python, "dump.py");
    let truth = program.go();
    let pid = program.pid().to_string();
    let run = run(["dump", &pid]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 100), "{}", run.stdout);
    let (head, blocks) = run.stdout.split_once("\n\n").expect("a line about the process, then the threads");
    assert!(head.starts_with(&format!("pid {pid}  ")) && head.contains("CPython 3."), "{head}");
    let reader = format!("thread {} ", truth["reader"]["tid"]);
    let block = blocks.split("\n\n").find(|block| block.starts_with(&reader)).expect("a block");
    assert!(block.contains("sleeping in read\n") && block.contains(" reader"), "{block}");
}

#[test]
fn what_cannot_be_dumped_is_refused_as_always() {
    let Some(_python) = system() else { return };
    let mut sleep = std::process::Command::new("sleep").arg("600").spawn().expect("sleep(1)");
    until("exec", || {
        let comm = fs::read_to_string(format!("/proc/{}/comm", sleep.id())).ok()?;
        (comm == "sleep\n").then_some(())
    });
    let other = run(["dump", "--pid", &sleep.id().to_string()]);
    sleep.kill().expect("our child");
    sleep.wait().expect("our child");
    let gone = run(["dump", "--pid", &sleep.id().to_string()]);
    assert_eq!((other.code, gone.code, run(["dump"]).code), (6, 4, 2), "{} {}", other.stderr, gone.stderr);
    assert_eq!(other.stdout + &gone.stdout, "");
}
