//! However an interpreter came into its process, it is found and walked.

mod containers;
mod dead_target;
mod hostile;
mod late;
mod namespaces;
mod neighbours;
mod refused;
pub mod unharmed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::frames::walk::assert_walked;
use crate::harness::{
    Interpreter, Program, Python, Report, Scratch, Tracer, install, number, on_pythons, rows, run, skip,
    source, system, text, turn,
};

/// Becomes Python when asked to; `%s` is the library.
const LATE: &str = r#"
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    puts("late"), fflush(stdout), getchar();
    void *library = dlopen("%s", RTLD_NOW | RTLD_GLOBAL);
    int (*python)(int, char **) = dlsym(library, "Py_BytesMain");
    return python(argc, argv);
}
"#;

const LINKED: &str =
    "int Py_BytesMain(int, char **);\nint main(int n, char **v) { return Py_BytesMain(n, v); }\n";

on_pythons! {
    stripped_library:
    python2_7 Two,
    python3_6 Release(6),
    python3_9 Release(9),
    python3_11 Release(11),
    python3_13 Release(13),
}

/// Only what other files need has a name.
fn stripped_library(python: &Python) {
    let _turn = turn();
    let scratch = Scratch::new();
    let Some(library) = library(python) else { return };
    let copy = scratch.file(library.file_name().and_then(|name| name.to_str()).expect("it is UTF-8"));
    let stripped = Command::new("strip").arg("-s").arg("-o").arg(&copy).arg(&library).status();
    if !stripped.is_ok_and(|status| status.success()) {
        return skip("strip(1) cannot strip a copy of libpython");
    }
    let report = walked(Command::new(&python.path).env("LD_LIBRARY_PATH", scratch.path()));
    assert_is(&report, python);
}

#[test]
fn a_renamed_and_deleted_executable() {
    let Some((python, _turn)) = system().map(|python| (python, turn())) else { return };
    let scratch = Scratch::new();
    let copy = scratch.file("wörker [1] (deleted)");
    install(&python.path, &copy);
    let program = Program::start_by(Command::new(&copy).arg("-B").arg(source("walk.py")));
    fs::remove_file(&copy).expect("our own file");
    assert_is(&assert_walked(program), &python);
}

/// What runs is the file that was there at the start, whatever is called like it by now.
#[test]
fn an_upgraded_executable_and_library() {
    let (Some((python, library)), _turn) = (shared(), turn()) else { return };
    let scratch = Scratch::new();
    let name = library.file_name().and_then(|name| name.to_str()).expect("it is UTF-8");
    let (executable, copy) = (scratch.file("python"), scratch.file(name));
    install(&python.path, &executable);
    install(&library, &copy);
    let mut command = Command::new(&executable);
    let command = command.env("LD_LIBRARY_PATH", scratch.path()).env("PYTHONHOME", home(&python));
    let program = Program::start_by(command.arg("-B").arg(source("walk.py")));
    for old in [&executable, &copy] {
        let new = scratch.file("new");
        install("/usr/bin/python3", &new);
        fs::rename(&new, old).expect("the folder is ours");
    }
    assert_is(&assert_walked(program), &python);
}

#[test]
fn a_virtual_environment() {
    let Some((python, _turn)) = system().map(|python| (python, turn())) else { return };
    let scratch = Scratch::new();
    let venv = scratch.file("venv");
    let made = Command::new(&python.path).args(["-m", "venv", "--without-pip"]).arg(&venv).status();
    assert!(made.is_ok_and(|status| status.success()), "{} has venv", python.path.display());
    assert_is(&walked(&mut Command::new(venv.join("bin/python"))), &python);
}

/// The executable is then the dynamic linker's.
#[test]
fn started_by_the_dynamic_linker() {
    let Some((python, _turn)) = system().map(|python| (python, turn())) else { return };
    let report = walked(Command::new("/lib64/ld-linux-x86-64.so.2").arg(&python.path));
    assert_is(&report, &python);
}

/// A process may map one interpreter, through a module that was linked with it, and run another.
#[test]
fn beside_a_library_that_is_not_used() {
    let Some((python, _turn)) = system().map(|python| (python, turn())) else { return };
    let Some((_, library)) = shared() else { return };
    assert_is(&walked(Command::new(&python.path).env("LD_PRELOAD", library)), &python);
}

/// The documented capabilities are enough: what its `maps` shows is no path in its own root.
#[test]
fn in_a_root_of_its_own() {
    let Some((python, _turn)) = system().map(|python| (python, turn())) else { return };
    let scratch = Scratch::new();
    let root = scratch.file("root");
    fs::create_dir(&root).expect("the folder is ours");
    let shell = "mount --rbind / \"$0\" && exec chroot \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", shell])
        .arg(&root)
        .arg(&python.path)
        .arg("-B")
        .arg(source("idle.py"));
    let program = Program::start_by(&mut command);
    let few = ["--bounding-set", "-all,+bpf,+perfmon,+sys_ptrace", env!("CARGO_BIN_EXE_tracer"), "dump"];
    let pid = program.pid().to_string();
    // In the namespace of its mounts, and not in its root.
    let mut tracer = Command::new("nsenter");
    tracer.args(["--mount", "--target", &pid, "setpriv"]).args(few).args(["--json", &pid]);
    let dumped = tracer.output().expect("nsenter(1)");
    let reported = String::from_utf8_lossy(&dumped.stderr);
    assert!(dumped.status.success(), "{reported}");
    let dumped: serde_json::Value = serde_json::from_slice(&dumped.stdout).expect("JSON");
    assert!(dumped["threads"][0]["stack"].as_array().is_some_and(|frames| !frames.is_empty()), "{dumped}");
}

#[test]
fn linked_into_another_program() {
    let (Some((python, library)), _turn) = (shared(), turn()) else { return };
    let scratch = Scratch::new();
    let folder = library.parent().expect("a file").display();
    let flags = [library.display().to_string(), format!("-Wl,-rpath,{folder}")];
    let Some(program) = compiled(&scratch, LINKED, &flags) else { return };
    assert_is(&walked(Command::new(program).env("PYTHONHOME", home(&python))), &python);
}

on_pythons! {
    linked_statically_and_stripped:
    python3_8 Release(8),
    python3_10 Release(10),
    python3_12 Release(12),
    python3_13 Release(13),
}

/// The interpreter is but a part of another program, which keeps the symbols that extension modules need.
fn linked_statically_and_stripped(python: &Python) {
    let _turn = turn();
    let Some(archive) = archive(python) else { return };
    let scratch = Scratch::new();
    let libraries = ["-rdynamic", "-s", "-lpthread", "-ldl", "-lutil", "-lm"];
    let flags: Vec<_> =
        [archive.display().to_string()].into_iter().chain(libraries.into_iter().map(str::to_owned)).collect();
    let Some(program) = compiled(&scratch, LINKED, &flags) else { return };
    assert_is(&walked(Command::new(program).env("PYTHONHOME", home(python))), python);
}

/// `config-3.12-x86_64-linux-gnu/libpython3.12.a`
fn archive(python: &Python) -> Option<PathBuf> {
    let name = format!("libpython{}.{}.a", python.major, python.minor);
    let folder = home(python).join(format!("lib/python{}.{}", python.major, python.minor));
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let found = entries.map(|entry| entry.path().join(&name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: {} has no {name}", python.path.display());
    }
    found
}

/// Its inode has another number, and another device, than what its mapping says.
#[test]
fn on_an_overlay() {
    let Some((python, _turn)) = system().map(|python| (python, turn())) else { return };
    let scratch = Scratch::new();
    for folder in ["lower", "upper", "work", "merged"] {
        fs::create_dir(scratch.file(folder)).expect("the folder is ours");
    }
    install(&python.path, scratch.file("lower/python"));
    let shell = "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged && exec merged/python -B $0";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", shell]).arg(source("calls.py")).current_dir(scratch.path());
    let mut program = Program::start_by(&mut command);
    let tracer = Tracer::attach(program.pid(), &["--calls"]);
    let truth = program.go();
    let report = tracer.stop().exact();
    assert_is(&report, &python);
    let entries =
        rows(&report["frames"]["entries"]["rows"]).filter(|row| row["function"] == truth["function"]);
    assert_eq!(entries.map(|row| number(&row["count"])).sum::<u64>(), number(&truth["calls"]));
}

/// Before that it is refused, and by the same name as any other program.
#[test]
fn loaded_late() {
    let (Some((python, library)), _turn) = (shared(), turn()) else { return };
    let scratch = Scratch::new();
    let source_of_host = LATE.replace("%s", library.to_str().expect("it is UTF-8"));
    let Some(host) = compiled(&scratch, &source_of_host, &["-ldl".to_owned()]) else { return };
    let mut command = Command::new(host);
    let command = command.env("PYTHONHOME", home(&python)).arg("-B").arg(source("walk.py"));
    let mut program = Program::spawn(command);
    assert_eq!(program.hear(), "late");

    let early = run(["--pid", &program.pid().to_string()]);
    assert!(early.code == 6 && early.stderr.contains("is not Python"), "{early:?}");

    program.say("now");
    assert_eq!(program.hear(), format!("ready {}", program.pid()));
    assert_is(&assert_walked(program), &python);
}

fn walked(command: &mut Command) -> Report {
    assert_walked(Program::start_by(command.arg("-B").arg(source("walk.py"))))
}

fn assert_is(report: &Report, python: &Python) {
    let reported = text(&report["target"]["processes"][0]["python"]);
    assert!(reported.starts_with(&python.version_prefix()), "{reported} is not {}", python.version_prefix());
}

/// A release that has a library, and the library.
fn shared() -> Option<(Python, PathBuf)> {
    if !rustix::process::geteuid().is_root() {
        skip("tracing needs root");
        return None;
    }
    let found = [12, 11, 13].into_iter().find_map(|minor| {
        let python = Interpreter::Release(minor).find()?;
        library(&python).map(|library| (python, library))
    });
    if found.is_none() {
        eprintln!("skipped: no python3 with a libpython");
    }
    found
}

/// `libpython3.12.so.1.0`, where an interpreter is but a small program that uses it.
pub fn library(python: &Python) -> Option<PathBuf> {
    let folder = home(python).join("lib");
    let prefix = format!("libpython{}.{}", python.major, python.minor);
    let is_it = |name: &str| name.starts_with(&prefix) && name.ends_with(".so.1.0");
    let files = folder.read_dir().into_iter().flatten().flatten();
    let found = files
        .map(|file| file.path())
        .find(|path| path.file_name().is_some_and(|name| name.to_str().is_some_and(is_it)));
    if found.is_none() {
        eprintln!("skipped: {} has no libpython", python.path.display());
    }
    found
}

fn home(python: &Python) -> &Path {
    python.path.ancestors().nth(2).expect("PREFIX/bin/python")
}

pub fn compiled(scratch: &Scratch, program: &str, flags: &[String]) -> Option<PathBuf> {
    let (from, to) = (scratch.file("host.c"), scratch.file("host"));
    fs::write(&from, program).expect("the folder is ours");
    let compiled = Command::new("cc").arg("-o").arg(&to).arg(&from).args(flags).status();
    if compiled.is_ok_and(|status| status.success()) {
        return Some(to);
    }
    skip("cc cannot compile a program");
    None
}
