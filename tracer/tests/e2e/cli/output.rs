//! What goes where, and what is in it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::XattrFlags;
use serde_json::Value;

use crate::harness::{
    Program, Report, Run, Scratch, Status, Tracer, install, number, rows, run, site, system,
};

#[test]
fn stdout_is_json_alone() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let run = Tracer::attach(program.pid(), &[]).stop();
    let report = run.exact();
    assert_eq!(report["schema"], "tracer.report/1");
    assert!(
        !run.stderr.contains(['\x1b', '\r']),
        "no control sequences where there is no terminal: {:?}",
        run.stderr
    );
}

/// Absent knowledge is null, but the key is there.
#[test]
fn every_section_has_its_keys() {
    let Some(report) = work_under(&[]) else { return };
    for (section, keys) in [
        (
            "",
            "schema tracer host target window quality overhead findings switches gil reads processes signals frames gc",
        ),
        ("/tracer", "version"),
        ("/host", "kernel arch cpus"),
        (
            "/target/processes/0",
            "pid ppid comm title exe python free_threaded root started_by at_ns ended_at_ns",
        ),
        ("/window", "start start_monotonic_ns duration_ns ended"),
        ("/quality", "hits filtered emitted aggregated lost records kernel_missed samples"),
        ("/quality/lost", "ring_full map_full map_busy"),
        ("/quality/samples", "expected taken python no_python_frame faulted unresolved truncated"),
        (
            "/overhead",
            "bpf_ns trap_ns tracer_cpu_ns tracer_peak_rss_bytes map_bytes attach_ns shed reads_covered_ns",
        ),
        ("/switches", "voluntary involuntary kernel_voluntary kernel_involuntary checked_voluntary"),
        ("/switches", "checked_involuntary on_cpu_ns off_cpu_ns run_queue_ns causes"),
        (
            "/switches/causes/0",
            "pid cause syscall object after_call count off_cpu_ns run_queue_ns began_before",
        ),
        ("/switches/causes/0", "still_blocked stack wakers"),
        (
            "/reads/0",
            "pid path kind syscall stack syscalls opens eof errors bytes requested returned o_direct",
        ),
        ("/reads/0", "nonblocking off_cpu_ns voluntary_switches involuntary_switches gil_waits"),
        ("/reads/0", "gil_switches gil_wait_ns avoidable advice"),
        ("/processes", "forked execed exited reaped zombies orphans kills"),
        ("/frames", "rate_hz reached_hz hot stacks entries"),
        ("/frames/hot/0", "pid function file line self_samples total_samples off_cpu_ns"),
        ("/frames/stacks/0", "pid tid thread_name stack samples off_cpu_ns"),
    ] {
        let object = report.pointer(section).unwrap_or_else(|| panic!("there is no {section}"));
        for key in keys.split(' ') {
            assert!(object.get(key).is_some(), "{section} has no {key}: {object}");
        }
    }
}

#[test]
fn text_has_no_control_sequences() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let run = run(["--duration", "100ms", "--pid", &program.pid().to_string()]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains(&program.pid().to_string()), "{}", run.stdout);
    assert!(!run.stdout.contains(|c: char| c.is_control() && c != '\n'), "{:?}", run.stdout);
}

#[test]
fn quiet_says_nothing() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let run = run(["-q", "--json", "--duration", "100ms", "--pid", &program.pid().to_string()]);
    run.exact();
    assert_eq!(run.stderr, "");
}

#[test]
fn report_goes_to_a_file() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let scratch = Scratch::new();
    let path = scratch.file("report.json");
    let arguments =
        ["--duration", "100ms", "-o", path.to_str().expect("it is UTF-8"), &program.pid().to_string()];
    let run = run(arguments);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);

    let stdout = fs::read_to_string(&path).expect("the report was written");
    let report = Run { stdout, ..run }.exact();
    assert_eq!(report.ended(), "duration");
    let mode = fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o077, 0, "a report is its owner's alone: {mode:o}");
    assert_eq!(fs::read_dir(scratch.path()).expect("it is there").count(), 1, "nothing else is left");
}

/// Under sudo a file is written with the caller's rights: neither where they may not, nor over what is root's.
#[test]
fn report_goes_where_the_caller_may_write() {
    const NOBODY: u32 = 65_534;
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let scratch = Scratch::new();
    let (ours, theirs) = (scratch.file("root.json"), scratch.file("theirs"));
    fs::create_dir(&theirs).expect("a new folder");
    fs::write(theirs.join("root.json"), "root's").expect("a new file");
    chown(&theirs, Some(NOBODY), None).expect("root gives it away");
    for (path, code, said) in [
        (&ours, 1, "permission denied"),
        (&theirs.join("root.json"), 1, "it is another user's file"),
        (&theirs.join("new.json"), 0, ""),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tracer"));
        let sudo = command.env("SUDO_UID", NOBODY.to_string()).env("SUDO_GID", NOBODY.to_string());
        let run = Tracer::spawn(sudo.args(["-d", "100ms", "-p", &program.pid().to_string(), "-o"]).arg(path));
        let run = run.end();
        assert_eq!(run.code, code, "{}: {}", path.display(), run.stderr);
        assert!(run.stderr.contains(said), "{}: {}", path.display(), run.stderr);
    }
    assert!(!ours.exists());
    assert_eq!(fs::read_to_string(theirs.join("root.json")).expect("it is there"), "root's");
    assert_eq!(fs::metadata(theirs.join("new.json")).expect("it was written").uid(), NOBODY);
}

/// Gives a program's file capabilities that its caller has not: version 2, effective, as the kernel keeps them.
fn give_capabilities(program: &Path) {
    let (low, high): (u32, u32) = (1 << 1 | 1 << 2 | 1 << 19 | 1 << 21, 1 << 6 | 1 << 7);
    let words: Vec<u8> = [0x0200_0001, low, 0, high, 0].into_iter().flat_map(u32::to_le_bytes).collect();
    let given = rustix::fs::setxattr(program, "security.capability", &words, XattrFlags::empty());
    given.expect("root may, on a file system that has them");
}

/// Who may run a tracer that is allowed to trace may write and read no file by it that was not theirs.
#[test]
fn capabilities_of_the_program_are_not_the_callers() {
    const NOBODY: u32 = 65_534;
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let scratch = Scratch::new();
    let (binary, roots, theirs) = (scratch.file("tracer"), scratch.file("roots"), scratch.file("theirs"));
    install(env!("CARGO_BIN_EXE_tracer"), &binary);
    give_capabilities(&binary);
    for folder in [&roots, &theirs] {
        fs::create_dir(folder).expect("a new folder");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("it is ours");
    }
    fs::write(roots.join("secret.json"), "{}").expect("a new file");
    chown(&theirs, Some(NOBODY), None).expect("root gives it away");
    let (pid, secret) = (program.pid().to_string(), roots.join("secret.json").display().to_string());
    let trace = ["-d", "100ms", "-p", &pid];
    for (arguments, file, code) in [
        (&trace[..], roots.join("new.json"), 1),
        (&trace, theirs.join("new.json"), 0),
        (&["record", "-d", "100ms", "-p", &pid], roots.join("new.trc"), 1),
        (&["record", "-d", "1s", "--ring", "5s", "-p", &pid], roots.join("ring.trc"), 1),
        (&["export", &secret], theirs.join("secret.md"), 1),
    ] {
        let mut command = Command::new(&binary);
        let run = Tracer::spawn(command.uid(NOBODY).gid(NOBODY).args(arguments).arg("-o").arg(&file)).end();
        assert_eq!(run.code, code, "{arguments:?} {}: {}", file.display(), run.stderr);
        assert!(code == 0 || run.stderr.contains("permission denied"), "{arguments:?}: {}", run.stderr);
    }
    assert_eq!(fs::read_dir(&roots).expect("it is there").count(), 1, "the secret alone");
    assert_eq!(fs::read_dir(&theirs).expect("it is there").count(), 1, "the report alone");
}

/// Neither arguments nor paths are in any output that is asked not to have them.
#[test]
fn what_is_secret_is_in_no_output() {
    let Some(python) = system() else { return };
    let scratch = Scratch::new();
    let path = scratch.file("miller.db");
    let secrets = ["miller", "tests/programs", path.parent().and_then(|path| path.to_str()).expect("UTF-8")];
    for (flags, hides) in [("--json", false), ("--json", true), ("--jsonl", true), ("--full", true)] {
        let mut program = Program::start_with(&python, "reads.py", &[path.to_str().expect("it is UTF-8")]);
        let pid = program.pid().to_string();
        let redact = if hides { &["--redact"][..] } else { &[] };
        let tracer = Tracer::start([&[flags, "--budget", "off", "-v", "--pid", &pid], redact].concat());
        tracer.until_attached();
        program.go();
        let mut reported = vec![tracer.stop()];
        reported.extend(
            [&["dump", &*pid][..], &["dump", "--json", &pid], &["signals", &pid], &["ps", "--json"]]
                .map(|command| run([command, redact].concat())),
        );
        let has = |run: &Run| {
            secrets.iter().any(|secret| run.stdout.contains(secret) || run.stderr.contains(secret))
        };
        assert!(reported.iter().all(|run| run.code == 0), "{reported:?}");
        assert!(
            reported[..3].iter().all(|run| run.stdout.contains("reads.py")),
            "what it does is reported: {reported:?}"
        );
        assert!(reported.iter().all(|run| has(run) != hides), "{flags} {redact:?}: {reported:?}");
    }
}

#[test]
fn report_goes_to_stdout_by_name() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let run = run(["--duration", "100ms", "-f", "json", "-o", "-", "--pid", &program.pid().to_string()]);
    assert_eq!(run.exact().ended(), "duration");
}

#[test]
fn a_thread_is_taken_as_its_process() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let pid = program.pid();
    let tid = fs::read_dir(format!("/proc/{pid}/task"))
        .expect("the program runs")
        .flatten()
        .find_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok().filter(|&tid| tid != pid))
        .expect("the program has a second thread");
    let run = Tracer::attach(tid, &[]).stop();
    assert_eq!(run.exact()["target"]["pids"], serde_json::json!([pid]));
    let reported = run.stderr.lines().any(|line| [tid, pid].iter().all(|id| line.contains(&id.to_string())));
    assert!(reported, "{}", run.stderr);
}

#[test]
fn several_processes() {
    let Some(python) = system() else { return };
    let programs = [(); 2].map(|()| Program::start(&python, "idle.py"));
    let [one, two] = programs.each_ref().map(|program| program.pid());
    let report = run(["--json", "--duration", "100ms", "--pid", &format!("{one},{two}")]).exact();
    assert_eq!(report["target"]["pids"], serde_json::json!([one, two]));
    for pid in [one, two] {
        assert_eq!(report.process(pid.into()).expect("both are in the report")["root"], true);
    }
}

fn work_under(flags: &[&str]) -> Option<Report> {
    let python = system()?;
    let scratch = Scratch::new();
    let mut program = Program::start_with(&python, "reads.py", &[scratch.file("file").to_str()?]);
    let tracer = Tracer::attach(program.pid(), flags);
    program.go();
    Some(tracer.stop().exact())
}

fn is_empty(list: &Value) -> bool {
    list.is_null() || rows(list).next().is_none()
}

#[test]
fn only_what_was_asked_for() {
    let Some(report) = work_under(&["--only", "reads"]) else { return };
    assert!(!is_empty(&report["reads"]));
    for list in [&report["switches"]["causes"], &report["signals"], &report["frames"]["hot"]] {
        assert!(is_empty(list), "{list}");
    }
}

#[test]
fn all_but_what_was_skipped() {
    let Some(report) = work_under(&["--skip", "reads"]) else { return };
    assert!(is_empty(&report["reads"]), "{}", report["reads"]);
    assert!(!is_empty(&report["switches"]["causes"]));
}

#[test]
fn stacks_are_as_deep_as_asked() {
    let Some(python) = system() else { return };
    let mut program = Program::start(&python, "parked.py");
    let tracer = Tracer::attach(program.pid(), &["--depth", "3"]);
    program.go();
    let report = tracer.stop().exact();
    let stacks: Vec<_> =
        rows(&report["switches"]["causes"]).filter_map(|row| row["stack"].as_array()).collect();
    let sleeping: Vec<_> = stacks.iter().filter(|stack| stack[0]["function"] == "sleeper").collect();
    assert!(!sleeping.is_empty(), "{}", report["switches"]["causes"]);
    for stack in sleeping {
        assert_eq!(stack.len(), 3, "{:#?}", stack.iter().map(site).collect::<Vec<_>>());
    }
}

#[test]
fn the_tracer_is_not_its_targets_tracer() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let status = Status::new(program.pid()).expect("the program runs");
    assert_eq!((status.tracer_pid(), status.state()), ("0", 'S'));
    let overhead = &tracer.stop().exact()["overhead"];
    assert!(number(&overhead["tracer_peak_rss_bytes"]) > 0, "{overhead}");
}
