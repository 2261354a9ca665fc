//! What is no CPython that is known is refused by its name, and nothing is attached.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Program, Scratch, install, install_bytes, provided, run, source};

/// `_Py_DebugOffsets` begin with it; the version and the kind of build follow.
/// <https://github.com/python/cpython/blob/v3.14.0/Include/internal/pycore_debug_offsets.h>
const COOKIE: &[u8] = b"xdebugpy";
const VERSION: usize = 8;
/// The upper bytes of its version.
const RELEASE: [u8; 6] = [14, 3, 0, 0, 0, 0];
const FREE_THREADED: usize = 16;

#[test]
fn pypy() {
    let Some(pypy) = provided("pypy3") else { return };
    assert_refused(&idle(&mut Command::new(pypy)), "PyPy is not CPython; try perf for native stacks");
}

/// Its own files are too large to test with: one that is called like them has to do.
#[test]
fn graalpy() {
    let scratch = Scratch::new();
    let program = scratch.file("graalpy");
    install("/usr/bin/cat", &program);
    assert_refused(
        &Program::spawn(&mut Command::new(program)),
        "GraalPy is not CPython; try perf for native stacks",
    );
}

#[test]
fn a_debug_build() {
    let Some(python) = provided("python3.11-dbg") else { return };
    assert_refused(&idle(&mut Command::new(python)), "is a debug build; try a release build");
}

#[test]
fn a_release_that_is_not_known_yet() {
    let version = 0x0310_00f0_u64.to_le_bytes();
    let Some((scratch, python)) = altered(VERSION, version) else { return };
    let reason = "CPython 3.16.0 is not known to this build; try a newer tracer";
    assert_refused(&idle(&mut in_its_view(&python)), reason);
    drop(scratch);
}

#[test]
fn a_build_that_is_laid_out_unlike_what_it_says() {
    let Some((scratch, python)) = altered(FREE_THREADED, 1_u64.to_le_bytes()) else { return };
    let reason = "has another memory layout than its release (its _Py_DebugOffsets say 16 for pyobject.size";
    assert_refused(&idle(&mut in_its_view(&python)), reason);
    drop(scratch);
}

fn assert_refused(program: &Program, reason: &str) {
    let run = run(["--json", "--pid", &program.pid().to_string()]);
    assert_eq!((run.code, run.stdout.as_str()), (6, ""), "{}", run.stderr);
    let lines: Vec<_> = run.stderr.lines().collect();
    assert!(lines.len() == 1 && lines[0].contains(reason), "expected: {reason}\ngot: {}", run.stderr);
}

fn idle(command: &mut Command) -> Program {
    Program::start_by(command.arg("-B").arg(source("idle.py")))
}

/// A copy of Debian's 3.14 that says something else of itself.
fn altered(field: usize, value: [u8; 8]) -> Option<(Scratch, PathBuf)> {
    let original = suite_of(&provided("python3.14")?).join("usr/bin/python3.14");
    let mut bytes = fs::read(original).expect("what was got is readable");
    // Code that looks for the cookie has it too.
    let is_start = |window: &[u8]| window.starts_with(COOKIE) && window[10..16] == RELEASE;
    let start = bytes.windows(16).position(is_start).expect("3.14 has debug offsets");
    bytes[start + field..][..value.len()].copy_from_slice(&value);
    let scratch = Scratch::new();
    let copy = scratch.file("python3.14");
    install_bytes(bytes, &copy);
    Some((scratch, copy))
}

/// Starts it with the files around it that its original has.
fn in_its_view(python: &Path) -> Command {
    let mut command = Command::new("unshare");
    let suite = provided("python3.14").map(|launcher| suite_of(&launcher)).expect("it was there just now");
    let enter = "mount --bind \"$0/usr\" /usr && exec \"$@\"";
    command.args(["--mount", "sh", "-c", enter]).arg(suite).arg(python);
    command
}

/// Where `cargo xtask pythons` put the suite, beside the folder of its launchers.
fn suite_of(launcher: &Path) -> PathBuf {
    launcher.ancestors().nth(2).expect("FOLDER/bin/PROGRAM").join("sid")
}
