//! A container's process has other files, other pids and other users than we; what is reported of it is in our terms, and
//! where we are in a container ourselves, in those of that.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::frames::walk::{WHOLE_STACKS, assert_stacks};
use crate::harness::{
    Program, Python, Report, Scratch, Signal, Status, Tracer, number, on_pythons, provided, rows, run,
    source, stack, system, text, turn,
};
use crate::processes::{assert_followed, assert_numbers};
use crate::signals::assert_own_signals;

on_pythons! { from_inside_all_pids_are_those_of_the_container: system System }
on_pythons! { from_inside_senders_are_reported: system System }
on_pythons! { from_outside_children_are_reported_by_our_pids: system System }

/// Makes a root of what was unpacked and of the tests' programs, and becomes what runs in there.
const ENTER: &str = r#"
set -e
mount --bind "$1" "$0/usr"
mount --bind "$2" "$0/programs"
mount -t proc proc "$0/proc"
exec chroot "$0" /usr/bin/python3.14 -B /programs/walk.py
"#;

/// In a time namespace the clock of the system calls is another than that of the probes.
#[test]
fn times_are_the_kernels_in_a_time_namespace() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start(&python, "spinners.py");
    let mut command = Command::new("unshare");
    command.args(["--time", "--monotonic", "864000", "--boottime", "864000", "--fork", "--kill-child"]);
    // The program works for two seconds; what it does before and after is little.
    let words = ["--json", "--budget", "off", "-d", "3s", "--pid"];
    let tracer = command.arg(env!("CARGO_BIN_EXE_tracer")).args(words).arg(program.pid().to_string());
    let tracer = Tracer::spawn(tracer);
    tracer.until_attached();
    let truth = program.go();
    let report = tracer.end().exact();
    let window = number(&report["window"]["duration_ns"]);
    let switches = &report["switches"];
    let (on_cpu, off_cpu) = (number(&switches["on_cpu_ns"]), number(&switches["off_cpu_ns"]));
    let used = number(&truth["cpu_ns"]);
    assert!(on_cpu.abs_diff(used) * 20 <= used, "{on_cpu} on a CPU of {used}");
    // The main thread is there throughout, and the others for two seconds, in which one at a time may compute.
    assert!(off_cpu > window && off_cpu <= 4 * window, "{off_cpu} off a CPU in {window}");
}

const OF_A_CONTAINER: &[&str] =
    &["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER];

#[test]
fn a_container_is_traced_from_outside() {
    let Some(usr) = provided("python3.14").map(usr_of) else { return };
    let (_turn, root) = (turn(), empty_root());
    let mut program = contained(&root, &usr);
    let tracer = Tracer::attach(program.pid(), WHOLE_STACKS);
    let mut truth = program.go();
    let outside = tids_outside(program.pid());
    let dump = dumped(program.pid());
    let report = tracer.stop().exact();

    for thread in truth.as_array_mut().expect("threads") {
        let seen = rows(&dump["threads"]).find(|row| row["namespace_tid"] == thread["tid"]);
        let seen = seen.unwrap_or_else(|| panic!("no thread {}", thread["tid"]));
        assert_eq!(stack(&seen["stack"]), stack(&thread["stack"]), "thread {}", thread["tid"]);
        thread["tid"] = outside[&number(&thread["tid"])].into();
        assert_eq!(seen["tid"], thread["tid"]);
    }
    assert_stacks(&report, &truth);
    assert_eq!(report["target"]["pids"], Value::from(vec![program.pid()]));
    let process = report.process(program.pid().into()).expect("the target is in the report");
    assert!(text(&process["python"]).starts_with("3.14."), "{process}");
    assert_eq!(process["namespace_pid"], 1, "{process}");
}

fn from_inside_all_pids_are_those_of_the_container(python: &Python) {
    let _turn = turn();
    let (mut program, inside) = in_a_pid_namespace(python, "processes.py");
    let tracer = Tracer::attach_beside(program.pid(), inside, &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    assert_numbers(&report, &truth);
    assert_followed(&report, &truth, inside, python);
    assert_eq!(report["target"]["pids"], Value::from(vec![inside]));
    let process = report.process(inside.into()).expect("the target is in the report");
    assert_eq!((&process["ppid"], &process["namespace_pid"]), (&1.into(), &Value::Null), "{process}");
    assert!(rows(&report["switches"]["causes"]).all(|row| row["pid"] != 0), "all rows have a process");
}

fn from_inside_senders_are_reported(python: &Python) {
    let _turn = turn();
    let (mut program, inside) = in_a_pid_namespace(python, "signals.py");
    let tracer = Tracer::attach_beside(program.pid(), inside, &[]);
    let truth = program.go();
    program.signal(Signal::TERM);
    assert!(program.answers(), "a line read after a signal means that its handler has run");
    let mut report = tracer.stop().exact();
    let from_outside =
        signals(&report).iter().position(|row| row["number"] == 15).expect("it is in the report");
    let from_outside = signals_mut(&mut report).remove(from_outside);
    assert_own_signals(&report, &truth);
    // We cannot be seen from in there.
    let sender = &from_outside["sender"];
    assert_eq!((&sender["pid"], &sender["tid"]), (&Value::Null, &Value::Null), "{from_outside}");
    let own = fs::read_to_string("/proc/thread-self/comm").expect("we have a name");
    assert_eq!(sender["comm"], own.trim_end(), "{from_outside}");
}

fn signals(report: &Report) -> &Vec<Value> {
    report["signals"].as_array().expect("a list")
}

fn signals_mut(report: &mut Report) -> &mut Vec<Value> {
    report.0["signals"].as_array_mut().expect("a list")
}

/// What a parent in there waits for is a child's pid in there.
fn from_outside_children_are_reported_by_our_pids(python: &Python) {
    let _turn = turn();
    let (mut program, _) = in_a_pid_namespace(python, "processes.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    for what in ["forked", "execed", "exited", "reaped"] {
        assert_eq!(report["processes"][what], truth[what], "{what}");
    }
    let process = |inside: &Value| {
        let row = rows(&report["target"]["processes"]).find(|row| row["namespace_pid"] == *inside);
        row.unwrap_or_else(|| panic!("no process {inside}"))
    };
    for inside in rows(&truth["brief"]) {
        let pid = &process(inside)["pid"];
        assert_ne!(pid, inside);
        let zombie = rows(&report["processes"]["zombies"]).find(|row| row["pid"] == *pid);
        assert!(zombie.is_none_or(|row| row["reaped"] == true), "{zombie:?}");
    }
}

#[test]
fn a_proc_of_another_pid_namespace_is_refused() {
    let Some(_python) = system() else { return };
    let mut command = Command::new("unshare");
    let tracer = command.args(["--pid", "--fork", env!("CARGO_BIN_EXE_tracer"), "--json", "--pid", "1"]);
    let run = Tracer::spawn(tracer).end();
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{}", run.stderr);
    assert!(run.stderr.contains("try mount -t proc proc /proc"), "{}", run.stderr);
}

/// In a pid namespace, below a shell that waits for it, with our files.
pub fn in_a_pid_namespace(python: &Python, program: &str) -> (Program, u32) {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["sh", "-c", "setsid --wait \"$0\" \"$@\"; exit"]).arg(&python.path);
    Program::start_inside(command.arg("-B").arg(source(program)))
}

fn dumped(pid: u32) -> Value {
    let run = run(["dump", "--json", "--depth", "1024", "--pid", &pid.to_string()]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    serde_json::from_str(&run.stdout).expect("one JSON object")
}

/// `walk.py` in namespaces of its own, as PID 1, with a root that has nothing of ours but this program.
fn contained(root: &Scratch, usr: &Path) -> Program {
    let programs = source("walk.py").parent().expect("a file").to_owned();
    let mut command = Command::new("unshare");
    let (program, inside) =
        Program::start_inside(command.args(OF_A_CONTAINER).args([root.path(), usr, &programs]));
    assert_eq!(inside, 1);
    program
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
    tids.map(|tid: u32| (Status::new(tid).expect("it sleeps").innermost_id(), tid.into())).collect()
}
