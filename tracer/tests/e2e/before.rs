//! Children that lived before the window are not traced, and are told of: who ended them, how, and who is left.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{Program, Python, Report, Tracer, number, on_every_python, rows, system, text};

on_every_python!(what_becomes_of_older_children_is_told);

fn what_becomes_of_older_children_is_told(python: &Python) {
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
        assert_eq!(
            (&row["traced"], &row["at_ns"], &row["root"]),
            (&json!(false), &json!(null), &json!(false))
        );
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
    let [row] = found[..] else { panic!("{pid} is told {} times: {}", found.len(), report["target"]) };
    row
}
