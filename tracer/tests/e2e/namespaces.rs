//! A container's process has other files, other pids and other users than we; what is told of it is in our terms.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{Program, Scratch, Status, Tracer, number, provided, source, text, turn};
use crate::walk::assert_stacks;

/// Makes a root of what was unpacked and of the tests' programs, and becomes what runs in there.
const ENTER: &str = r#"
set -e
mount --bind "$1" "$0/usr"
mount --bind "$2" "$0/programs"
mount -t proc proc "$0/proc"
exec chroot "$0" /usr/bin/python3.14 -B /programs/walk.py
"#;

const OF_A_CONTAINER: &[&str] =
    &["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER];

#[test]
fn a_container_is_traced_from_outside() {
    let Some(usr) = provided("python3.14").map(usr_of) else { return };
    let (_turn, root) = (turn(), empty_root());
    let mut program = contained(&root, &usr);
    let tracer = Tracer::attach(program.pid(), &["--depth", "1024"]);
    let mut truth = program.go();
    let outside = tids_outside(program.pid());
    let report = tracer.stop().exact();

    for thread in truth.as_array_mut().expect("threads") {
        thread["tid"] = outside[&number(&thread["tid"])].into();
    }
    assert_stacks(&report, &truth);
    assert_eq!(report["target"]["pids"], Value::from(vec![program.pid()]));
    let process = report.process(program.pid().into()).expect("the target is told");
    assert!(text(&process["python"]).starts_with("3.14."), "{process}");
}

/// Probes and `/proc` would number its processes differently, whatever our rights are.
#[test]
fn from_inside_a_container_nothing_is_traced() {
    let Some(usr) = provided("python3.14").map(usr_of) else { return };
    let root = empty_root();
    let program = contained(&root, &usr);
    let run = beside(&program).end();
    assert_eq!((run.code, run.stdout.as_str()), (7, ""), "{}", run.stderr);
    assert!(run.stderr.contains("cannot trace from inside a pid namespace"), "{}", run.stderr);
}

/// The tracer with the program's pids, and with our rights.
fn beside(program: &Program) -> Tracer {
    let pid = program.pid().to_string();
    let mount = "mount -t proc proc /proc && exec \"$0\" \"$@\"";
    let mut command = Command::new("nsenter");
    command.args(["--target", &pid, "--pid", "unshare", "--mount", "sh", "-c", mount]);
    Tracer::spawn(command.arg(env!("CARGO_BIN_EXE_tracer")).args(["--json", "--pid", "1"]))
}

/// `walk.py` in namespaces of its own, as PID 1, with a root that has nothing of ours but this program.
fn contained(root: &Scratch, usr: &Path) -> Program {
    let programs = source("walk.py").parent().expect("a file").to_owned();
    let mut command = Command::new("unshare");
    Program::start_inside(command.args(OF_A_CONTAINER).args([root.path(), usr, &programs]))
}

fn empty_root() -> Scratch {
    let root = Scratch::new();
    for folder in ["usr", "proc", "programs"] {
        fs::create_dir(root.file(folder)).expect("the folder is ours");
    }
    for folder in ["lib", "lib64"] {
        symlink(format!("usr/{folder}"), root.file(folder)).expect("the folder is ours");
    }
    root
}

/// What lies beside the launchers.
fn usr_of(launcher: PathBuf) -> PathBuf {
    launcher.ancestors().nth(2).expect("FOLDER/bin/PROGRAM").join("sid/usr")
}

/// Its threads by their ids inside.
fn tids_outside(pid: u32) -> HashMap<u64, u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").flatten();
    let tids = tasks.filter_map(|task| task.file_name().to_str()?.parse().ok());
    tids.map(|tid: u32| (Status::of(tid).expect("it sleeps").innermost_id(), tid.into())).collect()
}
