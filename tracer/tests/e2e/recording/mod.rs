//! Recordings: what is in one is the report of its run, wherever it is read, and as much of it as is whole.

mod flight;
mod parts;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Program, Run, Scratch, Tracer, install, number, run, system, until};

/// Reads a recording as a user without rights, who has been given it.
fn report_as_nobody(scratch: &Scratch, recording: &Path) -> Run {
    let (binary, copy) = (scratch.file("tracer"), scratch.file("copy.trc"));
    install(env!("CARGO_BIN_EXE_tracer"), &binary); // the build folder need not be open to others
    fs::copy(recording, &copy).expect("it is there");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let mut command = Command::new(binary);
    Tracer::spawn(command.args(["report", "--json"]).arg(copy).uid(65534).gid(65534)).end()
}

fn report(recording: &Path) -> Run {
    run(["report", "--json", recording.to_str().expect("we chose its name")])
}

fn record(program: &Program, recording: &Path, flags: &[&str]) -> Tracer {
    let (pid, path) = (program.pid().to_string(), recording.to_str().expect("we chose its name"));
    let fixed = ["record", "--budget", "off", "--pid", &pid, "-o", path];
    let tracer = Tracer::start([&fixed, flags].concat());
    tracer.until_attached();
    tracer
}

/// A program with threads, children and signals, that works by itself.
fn busy() -> Option<Program> {
    let mut program = Program::start(&system()?, "chaos.py");
    program.go();
    Some(program)
}

/// Nothing may differ: what is known at the end only is in the recording as well.
#[test]
fn a_replay_is_the_live_report() {
    let Some(program) = busy() else { return };
    let scratch = Scratch::new();
    let recording = scratch.file("a.trc");
    let live = record(&program, &recording, &["-d", "2500ms", "--json"]).end();
    let replayed = report_as_nobody(&scratch, &recording);
    assert_eq!((replayed.code, replayed.stderr.as_str()), (0, ""));
    assert!(live.stdout == replayed.stdout, "{}\n{}", live.stdout, replayed.stdout);
    let report = replayed.exact();
    assert!(number(&report["processes"]["forked"]) > 10, "{}", report["processes"]);
    assert!(number(&report["switches"]["voluntary"]) > 100, "{}", report["switches"]);
    assert_eq!(fs::metadata(&recording).expect("it is there").permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_was_written_survives_a_kill() {
    let Some(mut program) = busy() else { return };
    let scratch = Scratch::new();
    let recording = scratch.file("a.trc");
    let tracer = record(&program, &recording, &[]);
    until("three seconds of recording", || (whole_seconds(&recording)? >= 3).then_some(()));
    tracer.signal(Signal::KILL);
    assert_eq!(tracer.end().code, 137);
    assert!(program.answers());
    let replayed = report(&recording);
    assert_eq!(replayed.code, 0, "{}", replayed.stderr);
    assert_eq!(replayed.stderr, "tracer: the recording ends before the run did\n");
    let report = replayed.exact();
    assert!(number(&report["window"]["duration_ns"]) >= 3_000_000_000, "{}", report["window"]);
    assert_eq!(report["window"]["ended"], "interrupt");
    // One child a 50 ms or so, on a machine that may have been busy.
    assert!(number(&report["processes"]["forked"]) >= 10, "{}", report["processes"]);
    assert_cut_anywhere(&scratch, &recording);
}

/// Seconds of the window that are on the disk.
fn whole_seconds(recording: &Path) -> Option<u64> {
    let replayed = report(recording);
    (replayed.code == 0).then(|| number(&replayed.report()["window"]["duration_ns"]) / 1_000_000_000)
}

/// What is left of it adds up, or it is said that nothing is.
fn assert_cut_anywhere(scratch: &Scratch, recording: &Path) {
    let bytes = fs::read(recording).expect("it is there");
    let cut = scratch.file("cut.trc");
    let mut last = 0;
    for part in 1..8 {
        fs::write(&cut, &bytes[..bytes.len() * part / 8]).expect("the folder is ours");
        let replayed = report(&cut);
        match replayed.code {
            0 => {
                let lasted = number(&replayed.report()["window"]["duration_ns"]);
                assert!(lasted >= last, "{part}/8: {lasted}");
                last = lasted;
            }
            1 => assert!(replayed.stderr.ends_with("no block of it is whole; try another recording\n")),
            code => panic!("{code}: {}", replayed.stderr),
        }
        assert_eq!(replayed.stderr.lines().count(), 1, "{}", replayed.stderr);
    }
    assert!(last > 0, "seven eighths of it have at least a second");
}

/// It ends the recording, and the run with it: what fitted is whole.
#[test]
fn a_full_disk() {
    let Some(mut program) = busy() else { return };
    let scratch = Scratch::new();
    let kept: PathBuf = scratch.file("kept.trc");
    let folder = scratch.file("disk");
    fs::create_dir(&folder).expect("the folder is ours");
    let script = "mount -t tmpfs -o size=16k none \"$0\" && \"$1\" record -d 60s -p \"$2\" -o \"$0/a.trc\"; \
        code=$?; cp \"$0/a.trc\" \"$3\"; exit $code";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(&folder).arg(env!("CARGO_BIN_EXE_tracer"));
    let full = Tracer::spawn(command.arg(program.pid().to_string()).arg(&kept)).end();
    assert_eq!((full.code, full.stdout.as_str()), (1, ""), "{}", full.stderr);
    assert!(full.stderr.contains("a.trc: no space left on device; try another disk"), "{}", full.stderr);
    assert!(program.answers());
    let replayed = report(&kept);
    assert_eq!(replayed.stderr, "tracer: the recording ends before the run did\n");
    assert!(
        Duration::from_nanos(number(&replayed.report()["window"]["duration_ns"])) < Duration::from_secs(60)
    );
}

#[test]
fn what_is_no_recording() {
    let scratch = Scratch::new();
    let text = scratch.file("a.json");
    fs::write(&text, "{\"schema\": \"tracer.report/1\"}").expect("the folder is ours");
    let refused = report(&text);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    let expected = format!(
        "tracer: cannot read {}: it is no recording; try one that tracer record has written\n",
        text.display()
    );
    assert_eq!(refused.stderr, expected);
    let nameless = run(["record", "--pid", "1"]);
    assert_eq!(
        (nameless.code, nameless.stderr.as_str()),
        (2, "tracer: cannot record: no file was given; try -o FILE.trc\n")
    );
}
