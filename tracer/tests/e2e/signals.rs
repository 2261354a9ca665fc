//! Each signal is told once per receiver: from whom, by which way, to which thread, and what became of it.

use serde_json::Value;

use crate::harness::{Program, Python, Report, Tally, Tracer, number, on_every_python, rows, text};

on_every_python!(own_signals_are_told, foreign_signals_are_told);

fn own_signals_are_told(python: &Python) {
    let mut program = Program::start(python, "signals.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    let truth = program.go();
    let report = tracer.stop().exact();

    assert_eq!(told_in(&report, |row| row["origin"] != "child"), tally(rows(&truth["rows"])));

    let from_children: u64 = rows(&report["signals"])
        .filter(|row| row["origin"] == "child")
        .inspect(|row| {
            assert_eq!((&row["signal"], &row["outcome"]), (&"SIGCHLD".into(), &"ignored".into()), "{row}")
        })
        .map(|row| number(&row["count"]))
        .sum();
    assert_eq!(from_children, number(&truth["children_ended"]));
}

fn foreign_signals_are_told(python: &Python) {
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
    assert_eq!(told_in(&report, |row| row["sender"]["pid"] == from), expected.collect());
}

fn told_in(report: &Report, wanted: impl Fn(&Value) -> bool) -> Tally {
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
    // A signal that is dropped because one like it is pending meets no thread, and so no disposition.
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
