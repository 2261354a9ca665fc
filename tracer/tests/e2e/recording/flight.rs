//! A flight recorder: what happened before somebody asked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, thread};

use rustix::process::Signal;

use super::{record, report};
use crate::harness::{Program, Report, Scratch, number, rows, system, text, until};

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
    // It has its name from its first block on.
    until("the whole file", || {
        let replayed = report(&new);
        (replayed.stderr.is_empty() && replayed.code == 0).then(|| replayed.exact())
    })
}

/// Which of the program's functions kept its loop from turning.
fn stalls(report: &Report) -> Vec<&str> {
    let blocks = rows(&report["loops"]).flat_map(|row| rows(&row["by"]));
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
