//! `tracer signals`: what each signal would do, without a probe and without waking anybody.

use serde_json::Value;

use crate::harness::{Program, Python, Status, on_every_release, rows, run, system, text};

on_every_release!(each_signal_does_what_the_program_asked_for);

fn signals_of(pid: u32) -> Value {
    let run = run(["signals", "--json", "--pid", &pid.to_string()]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    let signals: Value = serde_json::from_str(&run.stdout).expect("one JSON object");
    assert_eq!(signals["schema"], "tracer.signals/1");
    signals["processes"][0].clone()
}

fn each_signal_does_what_the_program_asked_for(python: &Python) {
    let mut program = Program::start(python, "dispositions.py");
    let truth = program.go();
    let process = signals_of(program.pid());
    let expected = truth["signals"].as_object().expect("signals by name");
    // The C library keeps two to itself; and who starts a Python may have it ignore some.
    let is_the_library_s = |row: &&Value| matches!(row["number"].as_u64(), Some(32 | 33));
    let others = rows(&process["signals"]).filter(|row| !expected.contains_key(text(&row["signal"])));
    for other in others.filter(|row| !is_the_library_s(row)) {
        assert_eq!(other["disposition"], "ignored", "{other}");
    }
    for (name, expected) in expected {
        let row = rows(&process["signals"]).find(|row| row["signal"] == **name);
        let row = row.unwrap_or_else(|| panic!("{name} is missing: {process}"));
        assert_eq!(row["disposition"], expected["does"], "{row}");
        for key in ["kind", "name", "frame"] {
            assert_eq!(row["handler"][key], expected[key], "{row}");
        }
        assert_eq!(row["pending"], expected["pending"] == true, "{row}");
        let blocked_by = expected["blocked_by"].as_u64().unwrap_or(0);
        assert_eq!(rows(&row["blocked_by"]).count() as u64, blocked_by, "{row}");
    }
    // These keep the descriptor where nothing that they export leads to it.
    let is_reported = python.major == 2 || !(9..=11).contains(&python.minor);
    assert_eq!(process["wakeup_fd"], if is_reported { truth["wakeup_fd"].clone() } else { Value::Null });
    let holds_back: Vec<_> = rows(&process["threads"]).map(|thread| &thread["blocked"]).collect();
    assert!(holds_back.iter().all(|blocked| **blocked == serde_json::json!(["SIGPROF", "SIGWINCH"])));
    assert_eq!(Status::new(program.pid()).expect("it lives").tracer_pid(), "0");
    assert!(program.answers());
}

#[test]
fn text_names_the_line() {
    let Some(python) = system() else { return };
    let mut program = Program::start(&python, "dispositions.py");
    program.go();
    let run = run(["signals", &program.pid().to_string()]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    for expected in
        ["dispositions.py:12 plainly", "faulthandler.enable() does", "pending, blocked by 2 threads"]
    {
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
    }
}
