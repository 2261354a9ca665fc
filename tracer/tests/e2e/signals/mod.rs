//! Each signal is reported once per receiver: from which process, by which way, to which thread, and what became of it.

mod dispositions;
mod handlers;
mod outcomes;

use serde_json::Value;

use crate::harness::{
    Program, Python, Report, Tally, Tracer, number, on_every_python, rows, site, system, text, turn,
};

on_every_python!(own_signals_are_reported, foreign_signals_are_reported, a_parent_is_reported_with_its_line);

fn own_signals_are_reported(python: &Python) {
    let mut program = Program::start(python, "signals.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    assert_own_signals(&tracer.stop().exact(), &truth);
}

/// What `signals.py` sent to itself and to its children.
pub fn assert_own_signals(report: &Report, truth: &Value) {
    assert_eq!(reported_in(report, |row| row["origin"] != "child"), tally(rows(&truth["rows"])));

    let from_children: u64 = rows(&report["signals"])
        .filter(|row| row["origin"] == "child")
        .inspect(|row| {
            assert_eq!((&row["signal"], &row["outcome"]), (&"SIGCHLD".into(), &"ignored".into()), "{row}")
        })
        .map(|row| number(&row["count"]))
        .sum();
    assert_eq!(from_children, number(&truth["children_ended"]));
}

fn foreign_signals_are_reported(python: &Python) {
    let mut program = Program::start(python, "signals.py");
    let mut sender = Program::start_with(python, "sender.py", &[&program.pid().to_string()]);
    let tracer = Tracer::attach(program.pid(), &[]);
    program.go();
    let truth = sender.go();
    assert!(program.answers(), "a line read after a signal means that its handler has run");
    let report = tracer.stop().exact();

    let (from, to) = (sender.pid(), program.pid());
    let expected = rows(&truth).map(|sent| {
        let (number, origin) = (&sent[0], text(&sent[1]));
        (format!("{number} {origin} from {from}/{from} to {to}/{to} group:true: \"python\" \"handled\""), 1)
    });
    assert_eq!(reported_in(&report, |row| row["sender"]["pid"] == from), expected.collect());
}

fn a_parent_is_reported_with_its_line(python: &Python) {
    let mut boss = Program::start(python, "boss.py");
    let truth = boss.go();
    let worker = u32::try_from(number(&truth["worker"])).expect("a pid");
    let tracer = Tracer::attach(worker, &[]);
    boss.say("ask");
    assert_eq!(boss.hear(), "asked");
    let report = tracer.stop().exact();
    let asked: Vec<_> = rows(&report["signals"]).collect();
    let last = asked.last().expect("it was asked");
    assert_eq!((asked.len(), &last["sender"]["pid"]), (10, &boss.pid().into()));
    assert_eq!(site(&last["sender_stack"][0]), site(&truth["line"]), "known soon after the attach");
    assert_eq!(rows(&report["target"]["processes"]).count(), 1, "the boss is not traced");
}

#[test]
fn a_storm_is_reported_to_the_last_signal() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start(&python, "storm.py");
    let tracer = Tracer::attach(program.pid(), &["--ring-size", "32MiB"]);
    let truth = program.go();
    let report = tracer.stop().exact();
    for number_of_it in [10, 34] {
        let of_it = || rows(&report["signals"]).filter(|row| row["number"] == number_of_it);
        let reported: u64 = of_it().map(|row| number(&row["count"])).sum();
        assert_eq!(reported, number(&truth["signals"]), "signal {number_of_it}");
        let other = of_it().find(|row| row["outcome"] != "handled" || row["handler_state"] != "started");
        assert_eq!(other, None);
    }
}

fn reported_in(report: &Report, wanted: impl Fn(&Value) -> bool) -> Tally {
    tally(rows(&report["signals"]).filter(|row| wanted(row)))
}

/// What happened how often; rows that are identical may have been folded.
fn tally<'a>(rows: impl Iterator<Item = &'a Value>) -> Tally {
    let mut tally = Tally::new();
    for row in rows {
        *tally.entry(line(row)).or_default() += row.get("count").map_or(1, number);
    }
    tally
}

fn line(row: &Value) -> String {
    let sender = match &row["sender"] {
        Value::Null => "kernel".to_owned(),
        sender => format!("{}/{}", sender["pid"], sender["tid"]),
    };
    let target = &row["target"];
    // A signal that is dropped because one like it is pending reaches no thread, and so no disposition.
    let dropped = row["outcome"] == "coalesced";
    let [receiver, disposition] =
        [&target["tid"], &row["disposition"]].map(|known| if dropped { &Value::Null } else { known });
    format!(
        "{} {} from {sender} to {}/{receiver} group:{}: {disposition} {}",
        row["number"],
        text(&row["origin"]),
        target["pid"],
        target["group"],
        row["outcome"],
    )
}
