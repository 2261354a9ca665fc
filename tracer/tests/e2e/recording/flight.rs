//! A flight recorder: what happened before somebody asked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

use rustix::process::Signal;

use super::{busy, record, report};
use crate::harness::{Program, Report, Scratch, Status, Tracer, number, rows, system, text, until};

const RING: Duration = Duration::from_secs(3);

/// The files so far.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("the folder is ours").map(|entry| entry.expect("it is read").path());
    entries.filter(|path| path.extension().is_some_and(|ending| ending == "trc")).collect()
}

/// The file that comes next.
fn next(folder: &Path, known: &mut BTreeSet<PathBuf>) -> Report {
    let new = until("another file", || files(folder).difference(known).next().cloned());
    known.insert(new.clone());
    // It has its name once it is whole.
    let replayed = report(&new);
    assert_eq!(replayed.stderr, "");
    replayed.exact()
}

/// Which of the program's functions kept its loop from turning.
fn stalls(report: &Report) -> Vec<&str> {
    let blocks = rows(&report["loops"]).flat_map(|row| rows(&row["by"]));
    // A loop that had no CPU has none.
    let blocks = blocks.filter(|block| !block["stack"].is_null());
    let frames = blocks.flat_map(|block| rows(&block["stack"])).map(|frame| text(&frame["function"]));
    let mut named: Vec<_> = frames.filter(|name| ["first", "second", "third"].contains(name)).collect();
    named.dedup();
    named
}

#[test]
fn what_was_before_each_stall_is_kept() {
    let Some(python) = system() else { return };
    let mut program = Program::start(&python, "stalls.py");
    let scratch = Scratch::new();
    let (recording, mut known) = (scratch.file("a.trc"), BTreeSet::new());
    let folder = recording.parent().expect("it is in a folder").to_owned();
    let tracer = record(&program, &recording, &["--ring", "3s", "--on", "loop>150ms,exit!=0"]);
    program.go();
    for name in ["first", "second", "third"] {
        program.say(name);
        assert_eq!(program.hear(), "done");
        let saved = next(&folder, &mut known);
        assert_eq!((saved.ended(), stalls(&saved)), ("saved", vec![name]), "{}", saved["loops"]);
        let lasted = Duration::from_nanos(number(&saved["window"]["duration_ns"]));
        assert!(lasted <= RING + Duration::from_millis(2500), "{lasted:?}: a second on either side");
        assert_eq!(saved.process(program.pid().into()).map(|row| &row["root"]), Some(&true.into()));
        thread::sleep(RING + Duration::from_secs(1)); // what was before is forgotten
    }
    tracer.signal(Signal::USR1);
    assert_eq!(stalls(&next(&folder, &mut known)), Vec::<&str>::new(), "the last stall is too long ago");
    program.signal(Signal::KILL);
    let run = tracer.end();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("tracer: exit!=0: "), "{}", run.stderr);
    let last = next(&folder, &mut known);
    assert_eq!(
        (last.ended(), last.process(program.pid().into()).map(|row| text(&row["exit_signal"]))),
        ("target_exited", Some("SIGKILL"))
    );
    assert_eq!((files(&folder).len(), recording.exists()), (5, false));
}

/// A flight recorder that has not attached yet, and takes signals.
fn start(program: &Program, recording: &Path, flags: &[&str]) -> Tracer {
    let (pid, path) = (program.pid().to_string(), recording.to_str().expect("we chose its name"));
    let fixed = ["record", "--budget", "off", "--ring", "60s", "--pid", &pid, "-o", path];
    let tracer = Tracer::start([&fixed, flags].concat());
    let interrupt = 1 << (Signal::INT.as_raw() - 1);
    until("its handlers", || (Status::new(tracer.pid())?.caught() & interrupt != 0).then_some(()));
    tracer
}

/// Who asks so early is answered as soon as there is something to save.
#[test]
fn a_save_may_be_asked_for_while_we_attach() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "stalls.py");
    let scratch = Scratch::new();
    let (recording, mut known) = (scratch.file("a.trc"), BTreeSet::new());
    let tracer = start(&program, &recording, &[]);
    tracer.signal(Signal::USR1);
    let saved = next(recording.parent().expect("it is in a folder"), &mut known);
    assert_eq!(saved.ended(), "saved");
    let run = tracer.stop();
    assert!(run.stderr.contains("tracer: SIGUSR1: "), "{}", run.stderr);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

/// The rest is counted: a rule that holds for ever fills no disk.
#[test]
fn there_are_no_more_files_than_are_wanted() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "stalls.py");
    let scratch = Scratch::new();
    let recording = scratch.file("a.trc");
    let tracer = start(&program, &recording, &["--every", "1s", "--saves", "2"]);
    tracer.until_stderr_has("not saved");
    let run = tracer.stop();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(files(recording.parent().expect("it is in a folder")).len(), 2, "{}", run.stderr);
    let said: Vec<_> = run.stderr.lines().filter(|line| line.contains("--saves")).collect();
    assert_eq!(said[0], "tracer: --every: not saved, nor is what follows; try a larger --saves");
    let [_, end] = said[..] else { panic!("{said:?}") };
    assert!(end.starts_with("tracer: 2 files saved, "), "{end}");
    assert!(end.ends_with(" left out: --saves sets how many there may be"), "{end}");
}

/// Nothing that looks like a recording stays where there was no room for all of it.
#[test]
fn a_save_is_whole_or_not_there() {
    let Some(mut program) = busy() else { return };
    let scratch = Scratch::new();
    let (folder, left) = (scratch.file("disk"), scratch.file("left"));
    fs::create_dir(&folder).expect("the folder is ours");
    let script = "mount -t tmpfs -o size=8k none \"$0\" && \"$1\" record --ring 60s -d 3s -p \"$2\" -o \"$0/a.trc\"; \
        code=$?; ls -A \"$0\" > \"$3\"; exit $code";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(&folder).arg(env!("CARGO_BIN_EXE_tracer"));
    let full = Tracer::spawn(command.arg(program.pid().to_string()).arg(&left)).end();
    assert_eq!(full.code, 1, "{}", full.stderr);
    assert!(full.stderr.contains(".trc: no space left on device; try another disk"), "{}", full.stderr);
    assert_eq!(fs::read_to_string(&left).expect("ls has written it"), "");
    assert!(program.answers());
}
