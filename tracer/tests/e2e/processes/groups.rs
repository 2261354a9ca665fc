//! Which processes a signal reached and which were left: a leader that is killed alone, without and with a group, and a whole group.

use serde_json::{Value, json};

use crate::harness::{Program, Python, Report, Tracer, number, on_every_python, rows, site, text, turn};

on_every_python!(
    kills_reach_the_processes_they_are_for,
    children_from_before_are_left,
    groups_that_change_are_reported_as_they_are,
    ctrl_c_is_from_the_terminal,
    interrupts_that_are_handled_are_no_finding,
);

fn kills_reach_the_processes_they_are_for(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "groups.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();

    let advice = "start it with start_new_session=True and end it with os.killpg, which reaches them too";
    let alone = assert_left_alone(&report, &truth["no_group"], program.pid().into());
    assert!(alone.ends_with(advice), "{alone}");

    let leader = number(&truth["own_group"]["leader"]);
    let alone = assert_left_alone(&report, &truth["own_group"], leader);
    assert!(alone.ends_with(&format!("os.killpg({leader}, …) reaches its whole group")), "{alone}");

    assert_whole_group(&report, &truth["killpg"]);
}

/// They were not traced, and are known by their parent's end.
fn children_from_before_are_left(python: &Python) {
    let mut program = Program::start(python, "left.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let children = program.go();
    let report = tracer.end().exact();

    let orphans: Vec<_> = rows(&report["processes"]["orphans"])
        .map(|row| json!([row["pid"], row["old_ppid"], row["old_parent_signal"]]))
        .collect();
    let expected =
        children.as_array().expect("pids").iter().map(|pid| json!([pid, program.pid(), "SIGTERM"]));
    let by_pid = |mut orphans: Vec<Value>| {
        orphans.sort_by_key(|orphan| number(&orphan[0]));
        orphans
    };
    assert_eq!(by_pid(orphans), by_pid(expected.collect()));
    let kill = rows(&report["processes"]["kills"]).next().expect("it left somebody");
    assert_eq!(
        (&kill["reached"][0]["pid"], number(&kill["left_count"])),
        (&program.pid().into(), 2),
        "{kill}"
    );
}

/// Nobody sends it: the terminal does, to its whole foreground group.
fn ctrl_c_is_from_the_terminal(python: &Python) {
    let _turn = turn();
    let mut program = Program::start(python, "terminal.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();

    let kills: Vec<_> =
        rows(&report["processes"]["kills"]).filter(|kill| kill["signal"] == "SIGINT").collect();
    let [kill] = kills[..] else { panic!("{kills:?}") };
    assert_eq!(
        (&kill["aim"], &kill["pgid"], &kill["sender"]),
        (&"group".into(), &truth["leader"], &Value::Null)
    );
    let mut reached: Vec<_> = rows(&kill["reached"]).map(|row| number(&row["pid"])).collect();
    let mut group: Vec<_> = rows(&truth["children"]).chain([&truth["leader"]]).map(number).collect();
    reached.sort_unstable();
    group.sort_unstable();
    assert_eq!(reached, group);
    let begin = format!("SIGINT from the terminal to process group {}", truth["leader"]);
    let reported = sentence_of(&report, &truth);
    assert!(reported.starts_with(&begin), "{reported}");
}

/// A process that handles a signal and lives on has not been ended by it, whatever ends it later.
fn interrupts_that_are_handled_are_no_finding(python: &Python) {
    let mut program = Program::start(python, "interrupted.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    program.finish();

    let kills: Vec<_> = rows(&report["processes"]["kills"]).collect();
    assert_eq!(kills.len() as u64, number(&truth["times"]), "{kills:?}");
    for kill in kills {
        let reported =
            (&kill["signal"], &kill["pgid"], number(&kill["reached_count"]), number(&kill["ended_count"]));
        assert_eq!(reported, (&"SIGINT".into(), &truth["leader"], 4, 0), "{kill}");
    }
    let reported = rows(&report["findings"]).find(|row| text(&row["text"]).contains("SIGINT"));
    assert_eq!(reported, None);
}

/// Each process may leave its group whenever it likes: what counts is where it was when it was killed, or at the end.
fn groups_that_change_are_reported_as_they_are(python: &Python) {
    let mut program = Program::start(python, "regroup.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();
    program.finish();

    let of = |who: &str| &truth[who];
    for (who, pgid, sid) in [
        ("stays", of("stays"), of("sid")),
        ("killed", of("killed"), of("killed")),
        ("plain", of("pgid"), of("sid")),
        ("moved", of("stays"), of("sid")),
    ] {
        let row = report.process(number(&truth[who])).expect("it is followed");
        // A session from outside of our pid namespace has the number 0 in here.
        let sid = if sid == 0 { &Value::Null } else { sid };
        assert_eq!((&row["pgid"], &row["sid"]), (pgid, sid), "{who}: {row}");
    }
    let kills: Vec<_> = rows(&report["processes"]["kills"]).collect();
    let [kill] = kills[..] else { panic!("one call: {kills:?}") };
    assert_eq!((&kill["aim"], &kill["pgid"]), (&"group".into(), &truth["killed"]), "{kill}");
    assert_eq!((pids(&kill["reached"]), &kill["left"]), (json!([truth["killed"]]), &json!([])), "{kill}");
}

/// Its children live on; returns the sentence.
fn assert_left_alone<'a>(report: &'a Report, truth: &Value, pgid: u64) -> &'a str {
    let kill = kill_of(report, truth);
    assert_eq!((&kill["aim"], &kill["pgid"]), (&"process".into(), &pgid.into()), "{kill}");
    assert_eq!(pids(&kill["reached"]), json!([truth["leader"]]), "{kill}");
    assert_eq!(pids(&kill["left"]), truth["children"], "{kill}");
    assert_eq!(truth["left"], truth["children"], "they lived on");

    let sentence = sentence_of(report, truth);
    assert!(sentence.contains(&format!("reached only pid {} (", truth["leader"])), "{sentence}");
    assert!(sentence.contains("outlived it; "), "{sentence}");
    for child in truth["children"].as_array().expect("pids") {
        assert!(sentence.contains(&format!("{child} (sleep)")), "{sentence}");
        let orphans = rows(&report["processes"]["orphans"]).filter(|row| &row["pid"] == child);
        let reported: Vec<_> = orphans.map(|row| (&row["old_ppid"], &row["old_parent_signal"])).collect();
        assert_eq!(reported, [(&truth["leader"], &"SIGTERM".into())]);
    }
    sentence
}

fn assert_whole_group(report: &Report, truth: &Value) {
    let kill = kill_of(report, truth);
    assert_eq!((&kill["aim"], &kill["pgid"]), (&"group".into(), &truth["leader"]), "{kill}");
    let mut reached: Vec<_> = rows(&kill["reached"]).map(|reached| number(&reached["pid"])).collect();
    reached.sort_unstable();
    let children = rows(&truth["children"]).map(number);
    assert_eq!(reached, [number(&truth["leader"])].into_iter().chain(children).collect::<Vec<_>>());
    assert!(rows(&kill["reached"]).all(|reached| reached["end"] == "killed"), "{kill}");
    assert_eq!((&kill["left"], &truth["left"]), (&json!([]), &json!([])));
    let sentence = sentence_of(report, truth);
    let group = format!("to process group {} reached 4 processes: ", truth["leader"]);
    assert!(sentence.contains(&group) && sentence.ends_with("; all of them ended"), "{sentence}");
}

/// The call that was meant for this leader, which the library makes for the program's line.
fn kill_of<'a>(report: &'a Report, truth: &Value) -> &'a Value {
    let is_it = |kill: &&Value| {
        kill["reached"].as_array().is_some_and(|all| all.iter().any(|one| one["pid"] == truth["leader"]))
    };
    let found: Vec<_> = rows(&report["processes"]["kills"]).filter(is_it).collect();
    let [kill] = found[..] else { panic!("{} calls for {truth}", found.len()) };
    assert_eq!((&kill["signal"], &kill["origin"]), (&"SIGTERM".into(), &"kill".into()));
    let line = site(&truth["frame"]);
    assert!(rows(&kill["sender_stack"]).any(|frame| site(frame) == line), "{kill}");
    kill
}

fn sentence_of<'a>(report: &'a Report, truth: &Value) -> &'a str {
    let leader = number(&truth["leader"]);
    let mut found =
        rows(&report["findings"]).filter(|row| row["kind"] == "signal_kill" && row["pid"] == leader);
    let sentence =
        found.next().unwrap_or_else(|| panic!("a sentence for {leader}: {:#}", report["findings"]));
    assert!(found.next().is_none(), "one sentence for {leader}");
    text(&sentence["text"])
}

fn pids(list: &Value) -> Value {
    rows(list).map(|row| row["pid"].clone()).collect()
}
