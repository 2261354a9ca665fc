//! The walk from user space against the interpreters themselves: a program parks its threads and says where they are.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tracer_common::python::{Frame, status};

use crate::cpython::code::CodeObject;
use crate::cpython::interpreters::{self, Python, skip};
use crate::cpython::layout::Layout;
use crate::cpython::memory::Memory;
use crate::cpython::walk::stack_id;
use crate::error::ErrorKind;
use crate::event::{SpaceId, Tid};
use crate::process::{Deadline, Error, Process};
use crate::python::{Interpreter, asleep, discover};

const PROGRAM: &str = include_str!("parked.py");
const DEPTH: usize = 1024;

/// File, function and line.
type FrameLine = (Vec<u8>, Vec<u8>, Option<u32>);

/// The program, parked, and where its threads are by its own word.
struct Parked {
    child: Child,
    truth: BTreeMap<Tid, Vec<FrameLine>>,
}

impl Parked {
    fn start(command: &mut Command) -> Self {
        let command = command.arg("-c").arg(PROGRAM).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("an interpreter that starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let truth = serde_json::from_str(&line).expect("where the threads are");
        Self { child, truth }
    }

    fn open(&self) -> (Process, Arc<Interpreter>) {
        let process = Process::open(self.child.id()).expect("the process");
        let interpreter = Arc::new(discover(&process).unwrap_or_else(|error| panic!("{error}")));
        (process, interpreter)
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        let _ = stdin.write_all(b"\n");
        let _ = self.child.wait();
    }
}

#[test]
fn every_sleeping_thread_is_where_the_interpreter_says() {
    for python in interpreters::all() {
        let parked = Parked::start(&mut Command::new(&python.path));
        let (process, interpreter) = parked.open();
        check_interpreter(&python, &interpreter);
        check_stacks(&parked.truth, &process, &interpreter);
    }
}

fn check_interpreter(python: &Python, interpreter: &Interpreter) {
    let name = python.path.display();
    let wire = &interpreter.python;
    assert_eq!(interpreter.version.release, python.release, "{name}");
    assert!(interpreter.version.micro.is_some(), "{name}: version {}", interpreter.version);
    assert_eq!(Some(&interpreter.layout), Layout::for_release(python.release, false), "{name}: layout");
    assert_eq!(wire.has_slot(), python.release.0 == 3, "{name}: thread-state slot");
    assert_ne!((wire.gil, wire.gil_bytes), (0, 0), "{name}: GIL");
    let eval = interpreter.eval_frame.as_ref().expect("an evaluation function");
    assert!(eval.is_emulated(), "{name}: first instruction");
    assert_eq!(first_bytes(&eval.path, eval.file_offset), eval.first_bytes, "{name}: evaluation function");
    println!(
        "{name}: {} by {}, slot {}, GIL {} bytes",
        interpreter.version, interpreter.how_found, wire.thread_state_slot, wire.gil_bytes
    );
}

fn first_bytes(path: &Path, offset: u64) -> [u8; 16] {
    use std::os::unix::fs::FileExt;
    let mut bytes = [0; 16];
    let file = std::fs::File::open(path).expect("a path that leads to the interpreter");
    file.read_exact_at(&mut bytes, offset).expect("text");
    bytes
}

fn check_stacks(truth: &BTreeMap<Tid, Vec<FrameLine>>, process: &Process, interpreter: &Arc<Interpreter>) {
    let (memory, layout) = (process.memory(), &interpreter.layout);
    let mut ids = HashSet::new();
    let mut seen = 0;
    let tids = process.threads().expect("its threads");
    let limit = asleep::patience(tids.len());
    let (threads, _) = process.described(&tids, Deadline::after(limit));
    let (sleeping, late) = asleep::of_threads(
        process,
        Some(interpreter),
        &threads,
        DEPTH,
        asleep::ReadingTime { limit, certain: 0 },
    );
    assert_eq!(late, 0, "{}", interpreter.version);
    for thread in sleeping {
        let Some(expected) = truth.get(&thread.thread.namespace_tid) else { continue };
        assert!(!thread.torn, "{} thread {}", interpreter.version, thread.task.tid);
        assert_eq!(thread.status, status::OK, "{} thread {}", interpreter.version, thread.task.tid);
        let walked: Vec<_> = thread.frames.iter().map(|frame| place(&memory, layout, frame)).collect();
        assert_eq!(walked, *expected, "{} thread {}", interpreter.version, thread.task.tid);
        ids.insert(stack_id(SpaceId(1), &thread.frames));
        seen += 1;
    }
    assert_eq!((seen, ids.len()), (truth.len(), truth.len()), "{}: threads, ids", interpreter.version);
}

fn place(memory: &dyn Memory, layout: &Layout, frame: &Frame) -> FrameLine {
    let code = CodeObject::read(frame.code, frame.identity, layout, memory).expect("a code object");
    (code.file.to_vec(), code.function.to_vec(), code.line(layout, frame.instruction))
}

/// Its threads have other ids inside than we see.
#[test]
fn a_process_in_a_pid_namespace_is_walked() {
    let unshare = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    if !Command::new("unshare").args(unshare).arg("true").status().is_ok_and(|status| status.success()) {
        return skip("unshare(1) may not make a pid namespace");
    }
    for python in interpreters::all() {
        let parked = Parked::start(Command::new("unshare").args(unshare).arg(&python.path));
        if parked.truth.contains_key(&1) {
            check_child(&parked);
        } else {
            println!("skipped: {} has a /proc of its own", python.path.display());
        }
    }
}

/// A child knows its threads by what the C library wrote, not by what it inherited.
#[test]
fn a_forked_process_is_walked() {
    for python in interpreters::all() {
        check_child(&Parked::start(Command::new(&python.path).env("PARK_IN_CHILD", "1")));
    }
}

/// The interpreter is the only child of the process that was started.
fn check_child(parked: &Parked) {
    let children = format!("/proc/{0}/task/{0}/children", parked.child.id());
    let child = std::fs::read_to_string(children).expect("children");
    let process = Process::open(child.trim().parse().expect("one child")).expect("the interpreter");
    let interpreter = Arc::new(discover(&process).unwrap_or_else(|error| panic!("{error}")));
    check_stacks(&parked.truth, &process, &interpreter);
}

/// A library without its symbol table names fewer variables: what is missing is found otherwise, or is not known.
#[test]
fn a_stripped_library_is_walked() {
    let directory = std::env::temp_dir().join(format!("tracer-stripped-{}", std::process::id()));
    std::fs::create_dir(&directory).expect("a new directory");
    for python in interpreters::all() {
        let Some(library) = stripped(&python, &directory) else { continue };
        let parked = Parked::start(Command::new(&python.path).env("LD_PRELOAD", &library));
        std::fs::remove_file(&library).expect("our own file");
        let (process, interpreter) = parked.open();
        assert!(interpreter.file.ends_with(b" (deleted)"), "{}", python.path.display());
        check_stacks(&parked.truth, &process, &interpreter);
    }
    std::fs::remove_dir(&directory).expect("our own directory");
}

/// A stripped copy of an interpreter's library, `None` where it has none.
fn stripped(python: &Python, directory: &Path) -> Option<PathBuf> {
    let libraries = std::fs::read_dir(python.path.parent()?.parent()?.join("lib")).ok()?;
    let is_it = |name: &str| name.starts_with("libpython") && name.ends_with(".so.1.0");
    let mut names = libraries.flatten().map(|entry| entry.path());
    let library = names.find(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_it))?;
    let copy = directory.join(library.file_name()?);
    let strip = Command::new("strip").arg("-s").arg("-o").arg(&copy).arg(&library).status();
    if !strip.is_ok_and(|status| status.success()) {
        skip(&format!("strip(1) cannot strip {}", library.display()));
        return None;
    }
    Some(copy)
}

#[test]
fn what_is_no_python_is_refused_by_name() {
    let mut sleep = Command::new("sleep").arg("1000").spawn().expect("sleep(1)");
    let process = Process::open(sleep.id()).expect("a process");
    let error = discover(&process).expect_err("no Python");
    assert!(matches!(error, Error::NotPython { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::NotPython);
    sleep.kill().expect("our child");
    sleep.wait().expect("our child");
}
