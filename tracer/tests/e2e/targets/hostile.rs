//! Targets that mean ill: they cost time and memory within bounds, and hide nobody.

use std::time::{Duration, Instant};

use crate::harness::{
    Interpreter, Program, Python, Report, Run, Scratch, Status, Tracer, number, on_pythons, rows, run, skip,
    system, text, turn,
};
use crate::targets::{compiled, library};

/// What a command may take beyond what it was asked to: an end within a second, and as much to begin.
const SOON: Duration = Duration::from_secs(4);

/// How long a command takes, and what came of it.
fn timed(arguments: &[&str]) -> (Duration, Run) {
    let began = Instant::now();
    let run = run(arguments);
    (began.elapsed(), run)
}

/// Looking for the ends of the names took a quarter of an hour for each name that was asked for, whether the target had
/// mapped the file or another process of its session.
#[test]
fn files_of_names_without_end() {
    let Some(system) = system() else { return };
    let _turn = turn();
    // Where they come before the file that is looked for: a library, as the interpreter of this release is one.
    let library = Interpreter::Release(12).find().map(|python| (python, "libpython-"));
    for (python, file) in [(system, "libc.so.")].into_iter().chain(library) {
        let hostile = Program::start_with(&python, "hostile.py", &["names", file]);
        let mut bystander = Program::start(&python, "idle.py");
        let pids = [hostile.pid(), bystander.pid()].map(|pid| pid.to_string());

        let (took, dump) = timed(&["dump", "--json", &pids[0]]);
        assert!(took < SOON && dump.code == 0, "{file}: {took:?}: {dump:?}");
        assert!(dump.stdout.contains("hostile.py"), "{}", dump.stdout);

        for pid in &pids {
            let (took, traced) = timed(&["--json", "-d", "1", "--pid", pid]);
            assert!(took < SOON, "{file}, PID {pid}: {took:?}");
            let report = traced.exact();
            let reported = text(&report["target"]["processes"][0]["python"]);
            assert!(reported.starts_with(&python.version_prefix()), "{reported}");
        }
        bystander.go(); // it lives
    }
}

const STORM: &str = "#include <signal.h>\nvoid storm(int pid, int number) { for (;;) kill(pid, number); }\n";

/// More signals than can be read: `-d 1` took ten seconds.
#[test]
fn signals_without_pause() {
    let Some(python) = system() else { return };
    let (_turn, scratch) = (turn(), Scratch::new());
    let Some(library) = compiled(&scratch, STORM, &["-shared".to_owned(), "-fPIC".to_owned()]) else {
        return;
    };
    let path = library.to_str().expect("it is UTF-8");
    let mut program = Program::start_with(&python, "hostile.py", &["storm", path]);
    let pid = program.pid().to_string();

    for shape in ["--json", "--jsonl"] {
        let (took, traced) = timed(&[shape, "-d", "1", "--budget", "off", "--pid", &pid]);
        assert!(took < SOON, "{shape}: {took:?}");
        let report =
            Report(serde_json::from_str(traced.stdout.lines().last().expect("a report")).expect("JSON"));
        report.assert_laws();
        let lasted_ms = number(&report["window"]["duration_ns"]) / 1_000_000;
        assert!((1_000..1_500).contains(&lasted_ms), "{shape}: {lasted_ms} ms");
        let sent =
            rows(&report["signals"]).find(|row| row["signal"] == "SIGUSR1").expect("they are in the report");
        assert_eq!((&sent["outcome"], &sent["origin"]), (&"ignored".into(), &"kill".into()), "{sent}");
    }
    let tracer = Tracer::attach(program.pid(), &["-d", "60"]);
    let began = Instant::now();
    let report = tracer.stop().report();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(report.ended(), "interrupt");
    program.go(); // it lives
}

/// Whose descendants are never all known, whatever the scan that finds them.
#[test]
fn children_without_pause() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "hostile.py", &["breed", "8"]);
    let pid = program.pid().to_string();
    // Eight processes keep the CPUs busy: how long it takes then says nothing.
    let report = run(["--json", "-d", "1", "--max-loss", "100", &pid]).report();
    assert_eq!(report.ended(), "duration");
    assert!(number(&report["processes"]["forked"]) > 0, "{}", report["processes"]);
    program.go(); // it lives
}

on_pythons! {
    an_interpreter_that_is_not_used:
    python3_8 Release(8),
    python3_10 Release(10),
    python3_12 Release(12),
    python3_13 Release(13),
    python3_14 Release(14),
}

/// Whichever of the two is mapped first, the one that runs is found.
fn an_interpreter_that_is_not_used(python: &Python) {
    let mut tried = 0;
    for minor in [9, 11, 12, 13, 14] {
        let Some(other) = Interpreter::Release(minor).find() else { continue };
        let Some(library) = library(&other).filter(|_| other.minor != python.minor) else { continue };
        let path = library.to_str().expect("it is UTF-8");
        let mut program = Program::start_with(python, "hostile.py", &["decoy", path]);
        let dump = run(["dump", "--json", &program.pid().to_string()]);
        assert_eq!(dump.code, 0, "{path}: {}", dump.stderr);
        let dumped: serde_json::Value = serde_json::from_str(&dump.stdout).expect("JSON");
        let reported = text(&dumped["target"]["processes"][0]["python"]);
        assert!(reported.starts_with(&python.version_prefix()), "{reported} beside {path}");
        let main = dumped["threads"].as_array().and_then(|threads| threads.first()).expect("a thread");
        let frames = main["stack"].as_array().expect("frames");
        assert!(frames.iter().any(|frame| frame["function"] == "ready"), "{main}");
        program.go(); // it lives
        tried += 1;
    }
    if tried == 0 {
        skip("no other release has a libpython");
    }
}

/// A thread that read it waited for ever, and Ctrl-C did not end it.
#[test]
fn memory_that_never_answers() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "hostile.py", &["silent"]);
    let pid = program.pid().to_string();

    let (took, dump) = timed(&["dump", "--json", &pid]);
    assert!(took < SOON && dump.code == 0, "{took:?}: {dump:?}");
    let dumped: serde_json::Value = serde_json::from_str(&dump.stdout).expect("JSON");
    let threads = dumped["threads"].as_array().expect("threads");
    assert_eq!(threads.len(), 2, "{threads:?}");

    let (took, signals) = timed(&["signals", &pid]);
    assert!(took < SOON && signals.code == 0, "{took:?}: {signals:?}");

    let (took, traced) = timed(&["--json", "-d", "1", "--pid", &pid]);
    assert!(took < SOON, "{took:?}");
    let report = traced.exact();
    let lasted_ms = number(&report["window"]["duration_ns"]) / 1_000_000;
    assert!((1_000..1_500).contains(&lasted_ms), "{lasted_ms} ms");
    let shed = rows(&report["overhead"]["shed"]).any(|row| text(&row["what"]).contains(&pid));
    assert!(shed, "{}", report["overhead"]["shed"]);

    let tracer = Tracer::attach(program.pid(), &["-d", "60"]);
    let began = Instant::now();
    assert_eq!(tracer.stop().report().ended(), "interrupt");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    program.go(); // it lives
}

/// Mappings without number, whose names are as long as can be; and a file of a server that does not answer, which
/// looking for an interpreter opens.
#[test]
fn maps_that_take_long() {
    let Some(python) = system() else { return };
    let _turn = turn();
    for arguments in [&["maps"][..], &["server", "libc.so."], &["server", "libpython-"]] {
        let mut program = Program::start_with(&python, "hostile.py", arguments);
        let pid = program.pid().to_string();
        for command in [&["dump", "--json", &pid][..], &["signals", &pid], &["-d", "1", "--json", &pid]] {
            let (took, run) = timed(command);
            assert!(took < SOON && [0, 1].contains(&run.code), "{arguments:?}: {took:?}: {run:?}");
        }
        assert!(Status::new(program.pid()).is_some_and(|status| status.state() != 'Z'));
        program.go(); // it lives
    }
}

/// Each breakpoint is set in each of them: it took the kernel 16 s to begin and 7 s to end, in which the target could map
/// nothing, and gave it a page each time.
#[test]
fn instructions_that_are_mapped_everywhere() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "hostile.py", &["texts"]);
    let pid = program.pid().to_string();
    let resident = || Status::new(program.pid()).expect("it runs").resident_kib();
    let before = resident();
    let (took, traced) = timed(&["--json", "-d", "1", "--calls", "--pid", &pid]);
    assert!(took < SOON, "{took:?}");
    let grown = resident().saturating_sub(before);
    assert!(grown < 4 * 60_000, "{grown} KiB: a page in each mapping");
    let report = traced.report();
    let shed: Vec<_> = rows(&report["overhead"]["shed"]).collect();
    for what in ["starts of the signal handlers", "calls"] {
        let of = shed.iter().find(|row| text(&row["what"]).starts_with(what));
        let why = of.map(|row| text(&row["why"]));
        assert!(why.is_some_and(|why| why.starts_with("its Python is mapped 60")), "{what}: {shed:?}");
    }
    program.go(); // it lives
}

/// More threads than can be read while the window waits for it: twelve thousand took two seconds and more
/// of it. Of which nothing is known is said.
#[test]
fn threads_by_thousands() {
    /// There are pids for no more than 32,768 threads on most machines.
    const THREADS: u64 = 12_000;
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "thousands.py", &[&THREADS.to_string()]);
    let report = run(["--json", "-d", "1", "--budget", "off", "--pid", &program.pid().to_string()]).report();
    let lasted_ms = number(&report["window"]["duration_ns"]) / 1_000_000;
    // As much again for a machine that gives us a seventh of a CPU: 1.1 s is usual, 4.5 s were so with 20,000.
    assert!((1_000..SOON.as_millis() as u64).contains(&lasted_ms), "{lasted_ms} ms");
    let sleepers = rows(&report["switches"]["causes"]).filter(|row| row["stack"][0]["function"] == "wait");
    let seen: u64 = sleepers.map(|row| number(&row["still_blocked"])).sum();
    let shed = || rows(&report["overhead"]["shed"]).map(|row| text(&row["what"]));
    let unread = |what: &str| -> u64 {
        let words = shed().find(|what_of| what_of.starts_with(what)).map(|what_of| what_of.split(' '));
        words.map_or(0, |mut words| words.find_map(|word| word.parse().ok()).expect("how many"))
    };
    assert!(seen > 0, "{:?}", shed().collect::<Vec<_>>());
    assert_eq!(seen + unread("sleeps since before"), THREADS, "{:?}", shed().collect::<Vec<_>>());
    program.go(); // it lives
}

/// Bits of capabilities, capabilities(7): what it takes to read, and what no command needs.
const READING: u64 = 1 << 2 | 1 << 19 | 1 << 21 | 1 << 40;
const WATCHING: u64 = READING | 1 << 38 | 1 << 39;
const NEEDLESS: u64 = 1 << 12 | 1 << 16 | 1 << 17 | 1 << 22 | 1 << 25 | 1 << 27;

/// Root has forty capabilities: changing the clock, the network, the kernel's modules is none of our business.
#[test]
fn rights_that_are_not_needed_are_given_up() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let tasks = std::fs::read_dir(format!("/proc/{}/task", tracer.pid())).expect("its threads");
    let mut readers = 0;
    for task in tasks.flatten() {
        let status = std::fs::read_to_string(task.path().join("status")).expect("a thread");
        let value = |name: &str| {
            let mut lines = status.lines().filter_map(|line| line.split_once(":\t"));
            lines
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_owned())
                .expect("it is in the report")
        };
        let held = ["CapEff", "CapPrm"].map(|set| u64::from_str_radix(&value(set), 16).expect("a set"));
        assert_eq!(held.map(|set| set & NEEDLESS), [0; 2], "{status}");
        assert_eq!(value("NoNewPrivs"), "1", "{status}");
        let is_main = value("Pid") == value("Tgid");
        if is_main {
            assert_eq!(held.map(|set| set & !WATCHING), [0; 2], "{status}");
        }
        if is_main || value("Name") == "target" {
            assert_eq!(value("Seccomp"), "2", "a filter of system calls: {status}");
        }
        if value("Name") == "target" {
            assert_eq!(held.map(|set| set & !READING), [0; 2], "{status}");
            readers += 1;
        }
    }
    assert_eq!(readers, 1);
    tracer.stop().exact();
}

/// What a command may hold.
const MEMORY: u64 = 128 << 20;

/// It held a gigabyte of line tables, five of names, and command lines of all children.
#[test]
fn more_than_there_is_room_for() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "hostile.py", &["hoard"]);
    let tracer = Tracer::attach(program.pid(), &["--skip", "signals,gc"]);
    program.go();
    let began = Instant::now();
    let run = tracer.stop();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let report = run.report();
    let peak = number(&report["overhead"]["tracer_peak_rss_bytes"]);
    assert!(peak < MEMORY, "{} MiB", peak >> 20);
    assert!(run.stdout.len() < MEMORY as usize, "{} MiB of JSON", run.stdout.len() >> 20);
    let shed: Vec<_> = rows(&report["overhead"]["shed"]).map(|row| text(&row["what"])).collect();
    for what in ["names of", "long command lines"] {
        assert!(shed.iter().any(|row| row.contains(what)), "{what}: {shed:?}");
    }
}
