//! The GIL: who held it while others waited, at which line and for how long, and who slept with it in hand.

use serde_json::Value;

use crate::harness::{Program, Python, Report, Tracer, number, on_pythons, rows, site, turn};

on_pythons! {
    holders_are_named_with_their_line:
    system System,
    python3_6 Release(6),
    python3_8 Release(8),
    python3_12 Release(12),
    python3_14 Release(14),
}

fn holders_are_named_with_their_line(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "holders.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();

    let gil = &report["gil"];
    let held = &truth["held"];
    let (told, measured) = (number(&held["ns"]), held_at(&report, held));
    // The other thread wants it half a millisecond after it gave it away, at the latest; and then sleeps until it is up.
    assert!(measured * 100 >= told * 60 && measured <= told, "{measured} of {told}: {gil:#}");
    assert!(number(&gil["wait_ns"]) >= measured, "{gil:#}");
    assert!(gil["holders_unknown"].is_null(), "{gil:#}");

    // The other thread gives it away to sleep, and waits to get it back: that is the price of the sleep.
    let line = site(&truth["pauses"]);
    let here =
        |row: &&Value| row["cause"] == "gil" && row["stack"].get(0).is_some_and(|leaf| site(leaf) == line);
    let after: Vec<_> =
        rows(&report["switches"]["causes"]).filter(here).map(|row| &row["after_call"]["syscall"]).collect();
    let is_sleep = |call: &Value| ["clock_nanosleep", "select", "pselect6"].iter().any(|sleep| call == sleep);
    assert!(after.iter().any(|call| is_sleep(call)), "{after:?} at {line}");

    if let Some(slept) = truth["slept"].as_object() {
        let line = site(&slept["frame"]);
        let mut blocked = rows(&gil["blocked_while_held"]).filter(|row| site(&row["frame"]) == line);
        let row = blocked.next().unwrap_or_else(|| panic!("nobody slept at {line}: {gil:#}"));
        assert_eq!((&row["cause"], &row["count"]), (&Value::from("sleep"), &slept["count"]), "{row}");
        let (told, measured) = (number(&slept["ns"]), number(&row["off_cpu_ns"]));
        assert!(measured <= told && measured * 100 >= told * 60, "{measured} of {told}");
        assert!(held_at(&report, &truth["slept"]) * 100 >= told * 60, "others waited: {gil:#}");
    }
}

/// How long others waited while the thread of the truth was at its line.
fn held_at(report: &Report, truth: &Value) -> u64 {
    let line = site(&truth["frame"]);
    let here =
        |row: &&Value| row["tid"] == truth["tid"] && row["frame"].is_object() && site(&row["frame"]) == line;
    let rows = rows(&report["gil"]["holders"]).filter(here);
    rows.map(|row| number(&row["held_while_others_waited_ns"])).sum()
}
