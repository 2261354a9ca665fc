//! What cannot be done is said in one line, and the exit code says of which sort it is.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::harness::{Program, Run, Scratch, Status, Tracer, install, run, skip, system, until};

#[track_caller]
fn assert_refused(run: &Run, code: i32, words: &[&str]) {
    assert_eq!(run.code, code, "{run:?}");
    assert_eq!(run.stdout, "", "stdout carries reports and nothing else");
    let line = run.stderr.strip_suffix('\n').unwrap_or(&run.stderr);
    assert!(
        line.starts_with("tracer: ") && !line.contains('\n'),
        "one line that begins with our name: {line:?}"
    );
    for word in words {
        assert!(line.contains(word), "{word:?} is missing: {line}");
    }
}

/// A process that is no interpreter.
struct Other(Child);

impl Other {
    fn start(program: &str, arguments: &[&str]) -> Self {
        Self(Command::new(program).args(arguments).stdout(Stdio::null()).spawn().expect("it is installed"))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn no_such_process() {
    if system().is_none() {
        return;
    }
    let gone = Command::new("true")
        .spawn()
        .and_then(|mut child| child.wait().map(|_| child.id()))
        .expect("true runs");
    assert_refused(&run(["--pid", &gone.to_string()]), 4, &["cannot", &gone.to_string()]);
}

#[test]
fn a_zombie() {
    if system().is_none() {
        return;
    }
    let zombie = Other::start("true", &[]);
    until("its end", || (Status::new(zombie.0.id())?.state() == 'Z').then_some(()));
    assert_refused(&run(["--pid", &zombie.pid()]), 4, &["cannot", &zombie.pid(), "zombie"]);
}

#[test]
fn not_an_interpreter() {
    if system().is_none() {
        return;
    }
    let sleep = Other::start("sleep", &["600"]);
    until("exec", || {
        (fs::read_to_string(format!("/proc/{}/comm", sleep.pid())).ok()? == "sleep\n").then_some(())
    });
    assert_refused(&run(["--pid", &sleep.pid()]), 6, &["cannot", &sleep.pid(), "sleep"]);
}

#[test]
fn a_kernel_thread() {
    if system().is_none() {
        return;
    }
    if fs::read_to_string("/proc/2/comm").is_ok_and(|comm| comm == "kthreadd\n") {
        assert_refused(&run(["--pid", "2"]), 6, &["cannot", "2", "kernel thread"]);
    } else {
        skip("kernel threads are not visible in this pid namespace");
    }
}

#[test]
fn without_rights() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let scratch = Scratch::new();
    // The build folder need not be open to others.
    let binary = scratch.file("tracer");
    install(env!("CARGO_BIN_EXE_tracer"), &binary);
    let mut command = Command::new(binary);
    let nobody = command.args(["--pid", &program.pid().to_string()]).uid(65534).gid(65534);
    assert_refused(&Tracer::spawn(nobody).end(), 5, &["cannot", "CAP_", "sudo"]);
}

#[test]
fn wrong_arguments() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let pid = program.pid().to_string();
    let endless = "(a*)*".repeat(1_000);
    let cases: [&[&str]; 14] = [
        &["--name", &endless],
        &["--name", "(a{100}){100}"],
        &[],
        &["--nonsense"],
        &["--pid", "python"],
        &["--pid", "0"],
        &["--pid", "-1"],
        &["--pid", &pid, "--duration", "soon"],
        &["--pid", &pid, "--duration", "-1"],
        &["--pid", &pid, "--rate", "0"],
        &["--pid", &pid, "--depth", "1025"],
        &["--pid", &pid, "--only", "everything"],
        &["--pid", &pid, "--max-loss", "much"],
        &["--pid", &pid, "--fail-on", "zombies>many"],
    ];
    for arguments in cases {
        let run = run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {run:?}");
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn output_that_is_not_a_new_file() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let scratch = Scratch::new();

    let victim = scratch.file("victim");
    fs::write(&victim, "precious").expect("it is a new folder");
    let link = scratch.file("link.json");
    symlink(&victim, &link).expect("it is a new folder");
    let dangling = scratch.file("dangling.json");
    symlink(scratch.file("created"), &dangling).expect("it is a new folder");
    let fifo = scratch.file("fifo.json");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("coreutils are there").success());
    let nowhere = scratch.file("no such folder/report.json");

    for path in [&link, &dangling, &fifo, &nowhere] {
        let path = path.to_str().expect("temporary paths are UTF-8");
        let run = run(["--pid", &program.pid().to_string(), "--duration", "100ms", "-o", path]);
        assert_eq!(run.code, 1, "{path}: {run:?}");
        assert_eq!(run.stdout, "", "{path}");
        let error = run.stderr.lines().last().unwrap_or_default();
        assert!(error.starts_with("tracer: cannot ") && error.contains(path), "{path}: {run:?}");
    }
    assert_eq!(fs::read_to_string(&victim).expect("it was written"), "precious");
    assert!(!scratch.file("created").exists(), "nothing is written through a link");
}

/// Limits are raised as far as we may; what is too low all the same is named, with what to do.
#[test]
fn limits_are_raised_or_named() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    let scratch = Scratch::new();
    let binary = scratch.file("tracer");
    install(env!("CARGO_BIN_EXE_tracer"), &binary);
    for (limit, as_user, code, line) in [
        ("-Sn 13", "", 0, None),
        ("-Ss 64", "", 0, None),
        ("-Sv 40000", "", 0, None),
        ("-n 13", nobody, 1, Some("tracer: cannot start with open files limited to 13; try ulimit -n 1024")),
        (
            "-v 40000",
            nobody,
            1,
            Some("tracer: cannot start with bytes of memory limited to 40960000; try ulimit -v unlimited"),
        ),
    ] {
        let script = format!("ulimit {limit}; exec {as_user} \"$0\" -q --json -d 100ms -p {}", program.pid());
        let run = Tracer::spawn(Command::new("bash").args(["-c", &script]).arg(&binary)).end();
        assert_eq!((run.code, run.stderr.lines().next()), (code, line), "{limit} {as_user}: {}", run.stderr);
        if code == 0 {
            run.exact();
        }
    }
    // A file that may not grow is no death by a signal.
    let path = scratch.file("report.json");
    let script = format!("ulimit -f 0; exec \"$0\" -q -d 100ms -p {} -o \"$1\"", program.pid());
    let run = Tracer::spawn(Command::new("bash").args(["-c", &script]).arg(&binary).arg(&path)).end();
    let line = format!("cannot write {}: file too large; try ulimit -f unlimited", path.display());
    assert_refused(&run, 1, &[&line]);
    assert!(!path.exists());
}

/// What a command line says is not believed to be harmless either.
#[test]
fn a_usage_error_hides_nothing() {
    for arguments in [["--pid", "12\u{202e}34"], ["--a\u{202e}b", "\x1b[2J"]] {
        let run = run(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
        assert!(run.stderr.contains("\\u{202e}"), "{}", run.stderr);
        assert!(!run.stderr.contains(['\u{202e}', '\x1b']), "{:?}", run.stderr);
    }
}
