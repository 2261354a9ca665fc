//! Descendants that lived before the window are traced as those that come: what they do, who ended them, who is left.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{
    Program, Python, Report, Tracer, number, on_every_python, only_child, rows, system, text,
};

on_every_python!(
    what_becomes_of_older_children_is_reported,
    workers_from_before_are_traced,
    workers_that_are_forked_while_we_attach_are_traced,
);

fn what_becomes_of_older_children_is_reported(python: &Python) {
    let mut program = Program::start(python, "before.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    kill(&truth["killed"]);
    program.say("killed");
    assert_eq!(program.hear(), "null");
    let report = tracer.stop().exact();
    program.finish();

    let master = program.pid();
    for (who, ended, code, signal, by) in [
        ("killed", true, json!(null), json!("SIGKILL"), json!(master)),
        ("by_itself", true, json!(3), json!(null), json!(master)),
        ("mother", true, json!(null), json!("SIGTERM"), json!(master)),
        ("stays", false, json!(null), json!(null), json!(null)),
        ("left", false, json!(null), json!(null), json!(null)),
    ] {
        let row = only_row(&report, &truth[who]);
        assert_eq!((&row["at_ns"], &row["root"]), (&json!(null), &json!(false)));
        assert_eq!(row["ended_at_ns"].is_u64(), ended, "{who}: {row}");
        assert_eq!(
            (&row["exit_code"], &row["exit_signal"], &row["reaped_by"]),
            (&code, &signal, &by),
            "{who}"
        );
        let parent = if who == "left" { &truth["mother"] } else { &json!(master) };
        assert_eq!(&row["ppid"], parent, "{who}: {row}");
    }
    assert!(text(&only_row(&report, &truth["left"])["title"]).starts_with("sleep"));

    let kills: Vec<_> = rows(&report["signals"])
        .filter(|row| row["number"] == 9 && row["target"]["pid"] == truth["killed"])
        .collect();
    let [kill] = kills[..] else { panic!("one SIGKILL: {kills:?}") };
    assert_eq!((&kill["outcome"], &kill["sender"]["pid"]), (&json!("killed"), &json!(std::process::id())));
    let orphans: Vec<_> = rows(&report["processes"]["orphans"]).collect();
    let [orphan] = orphans[..] else { panic!("one orphan: {orphans:?}") };
    assert_eq!(
        (&orphan["pid"], &orphan["old_ppid"], &orphan["old_parent_signal"]),
        (&truth["left"], &truth["mother"], &json!("SIGTERM"))
    );
    assert_eq!(report["processes"]["zombies"], json!([]), "they were waited for");
    assert_eq!(report["processes"]["reaped"], 3);
}

/// A pre-forking server: all that happens happens in children, and in a grandchild behind a shell.
fn workers_from_before_are_traced(python: &Python) {
    let mut program = Program::start(python, "workers_before.py");
    let tracer = Tracer::attach(program.pid(), &["--budget", "off"]);
    let truth = program.go();
    let report = tracer.stop().exact();
    program.finish();

    assert_eq!(truth["workers"], truth["expected"], "three workers worked");
    for worker in rows(&truth["workers"]) {
        let row = only_row(&report, worker);
        assert_eq!((&row["root"], &row["at_ns"]), (&json!(false), &json!(null)));
        assert!(text(&row["python"]).starts_with(&python.version_prefix()), "{row}");
        let reads: Vec<_> = rows(&report["reads"])
            .filter(|read| &read["pid"] == worker && read["path"] == truth["path"])
            .collect();
        let [read] = reads[..] else { panic!("one line reads: {reads:?}") };
        assert_eq!((&read["syscalls"], &read["stack"][0]["line"]), (&truth["reads"], &truth["at"]));
        // It slept there since before the window.
        let slept = rows(&report["switches"]["causes"])
            .any(|cause| &cause["pid"] == worker && cause["stack"][0]["line"] == truth["slept_at"]);
        assert!(slept, "{worker}: {}", report["switches"]["causes"]);
    }
    assert_eq!(only_row(&report, &truth["shell"])["python"], json!(null));
    assert_eq!(report["target"]["pids"], json!([program.pid()]), "one was asked for");
    let readers = rows(&report["reads"]).filter(|read| read["path"] == truth["path"]);
    assert_eq!(readers.count(), 3, "the others read nothing");
}

/// Each is traced once, whether it was forked before we began, after, or in between.
fn workers_that_are_forked_while_we_attach_are_traced(python: &Python) {
    let mut program = Program::start(python, "forks_on.py");
    let tracer = Tracer::attach(program.pid(), &["--budget", "off"]);
    let truth = program.go();
    tracer.until_it_rests();
    let report = tracer.stop().exact();
    program.finish();
    let workers: Vec<_> = rows(&truth["workers"]).collect();
    assert!(number(&truth["before"]) < workers.len() as u64, "none came after we had attached");
    for worker in &workers {
        let row = only_row(&report, worker);
        assert_eq!(row["ppid"], truth["mother"]);
        assert!(text(&row["python"]).starts_with(&python.version_prefix()), "{row}");
    }
    let others: Vec<_> = rows(&report["target"]["processes"])
        .filter(|row| !workers.contains(&&row["pid"]) && row["pid"] != truth["mother"])
        .filter(|row| row["pid"] != program.pid())
        .collect();
    // The others have ended, and those that did before the window are none of it.
    let left: Vec<_> =
        others.iter().filter(|row| !row["ended_at_ns"].is_u64() || row["title"] == "").collect();
    assert!(left.is_empty() && others.len() > 10, "{} others, of them {left:#?}", others.len());
}

/// What was started by `timeout`, a shell or an init has a parent that is no Python.
#[test]
fn a_shell_stands_for_its_python() {
    let Some(python) = system() else { return };
    let mut command = Command::new("sh");
    command.args(["-c", "\"$0\" \"$@\"; true"]).arg(&python.path).args(["-B", "-c", ASLEEP]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = Shell(command.spawn().expect("there is a shell"));
    let said = shell.0.stdout.as_mut().expect("stdout is piped").read_exact(&mut [0]);
    said.expect("Python runs");
    let child = only_child(shell.0.id());
    let report = Tracer::attach(shell.0.id(), &[]).stop().exact();
    assert_eq!(report["target"]["pids"], json!([shell.0.id()]));
    assert_eq!(only_row(&report, &json!(shell.0.id()))["python"], json!(null));
    assert!(text(&only_row(&report, &json!(child))["python"]).starts_with(&python.version_prefix()));

    let alone = Tracer::start(["--no-follow", "-d", "1s", &shell.0.id().to_string()]).end();
    assert_eq!(alone.code, 6, "without its children it is no Python: {}", alone.stderr);
}

/// Says that it runs, and ends with its stdin.
const ASLEEP: &str = "import sys; print(1, flush=True); sys.stdin.read()";

/// Ends with this value, and with it what it started: their stdin is closed.
struct Shell(Child);

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn who_wants_no_children_sees_no_older_ones() {
    let Some(python) = system() else { return };
    let mut program = Program::start(&python, "before.py");
    let tracer = Tracer::attach(program.pid(), &["--no-follow"]);
    let truth = program.go();
    kill(&truth["killed"]);
    program.say("killed");
    assert_eq!(program.hear(), "null");
    let report = tracer.stop().exact();
    program.finish();
    assert_eq!(rows(&report["target"]["processes"]).count(), 1);
}

fn kill(pid: &Value) {
    let pid = i32::try_from(number(pid)).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, Signal::KILL).expect("it lives");
}

fn only_row<'a>(report: &'a Report, pid: &Value) -> &'a Value {
    let found: Vec<_> = rows(&report["target"]["processes"]).filter(|row| &row["pid"] == pid).collect();
    let [row] = found[..] else { panic!("{pid} is reported {} times: {}", found.len(), report["target"]) };
    row
}
