//! `tracer doctor`: whether tracing will work, and what to do if not.

use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::Value;

use crate::harness::{
    Program, Python, Run, Scratch, Tracer, install, number, on_every_release, rows, run, system, text,
};

on_every_release!(a_process_that_can_be_traced);

#[track_caller]
fn checks(run: &Run) -> Vec<Value> {
    let checkup: Value = serde_json::from_str(&run.stdout).expect("one JSON object");
    assert_eq!(checkup["schema"], "tracer.doctor/1");
    let checks: Vec<_> = rows(&checkup["checks"]).cloned().collect();
    for check in &checks {
        assert_eq!(check["ok"] == true, check["remedy"].is_null(), "what is not ok has a remedy: {check}");
    }
    checks
}

#[track_caller]
fn found<'a>(checks: &'a [Value], name: &str) -> &'a str {
    let check = checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    text(&check["found"])
}

fn a_process_that_can_be_traced(python: &Python) {
    let program = Program::start(python, "dump.py");
    let run = run(["doctor", "--json", "--pid", &program.pid().to_string()]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    let checks = checks(&run);
    assert!(found(&checks, "interpreter").contains(&format!("CPython {}", python.version_prefix())));
    assert!(found(&checks, "thread states").starts_with("5, "), "{checks:#?}");
    assert_eq!(found(&checks, "ptrace"), "nobody");
}

#[test]
fn this_machine_is_ready() {
    let Some(_python) = system() else { return };
    let json = run(["doctor", "--json"]);
    assert_eq!((json.code, json.stderr.as_str()), (0, ""), "{}", json.stdout);
    let checks = checks(&json);
    let needed = ["kernel", "btf", "btf fields", "right to load probes", "right to trace", "probes", "clock"];
    for name in needed {
        assert!(
            checks.iter().any(|check| check["name"] == name && check["ok"] == true),
            "{name}: {checks:#?}"
        );
    }
    let run = run(["doctor"]);
    let conclusion = run.stdout.lines().last().unwrap_or_default();
    assert!(run.code == 0 && conclusion.starts_with("tracing will work"), "{}", run.stdout);
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 100), "{}", run.stdout);
}

#[test]
fn nobody_is_asked_for_what_is_missing() {
    let Some(_python) = system() else { return };
    let scratch = Scratch::new();
    let binary = scratch.file("tracer");
    install(env!("CARGO_BIN_EXE_tracer"), &binary);
    let mut command = Command::new(binary);
    let run = Tracer::spawn(command.args(["doctor", "--json"]).uid(65534).gid(65534)).end();
    assert_eq!(run.code, 5, "{run:?}");
    let checks = checks(&run);
    for (name, capability) in [("right to load probes", "CAP_BPF"), ("right to trace", "CAP_PERFMON")] {
        let check = checks.iter().find(|check| check["name"] == name).expect(name);
        assert_eq!(check["ok"], false, "{check}");
        assert!(
            text(&check["found"]).contains(capability) && text(&check["remedy"]).contains("sudo"),
            "{check}"
        );
    }
}

/// What the README says is needed is all that is needed, also to show what the probes cost.
#[test]
fn three_capabilities_do() {
    let Some(python) = system() else { return };
    let mut program = Program::start(&python, "switches.py");
    let rights = "-all,+bpf,+perfmon,+sys_ptrace";
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", rights, "--inh-caps", rights, env!("CARGO_BIN_EXE_tracer")]);
    let tracer = Tracer::spawn(command.args(["--json", "--pid", &program.pid().to_string()]));
    tracer.until_attached();
    program.go();
    let report = tracer.stop().exact();
    let overhead = &report["overhead"];
    assert!(number(&overhead["map_bytes"]) > 1 << 20 && number(&overhead["bpf_ns"]) > 0, "{overhead}");
}

#[test]
fn a_process_that_cannot_be_traced() {
    let Some(_python) = system() else { return };
    let gone =
        Command::new("true").spawn().and_then(|mut child| child.wait().map(|_| child.id())).expect("true(1)");
    assert_eq!(run(["doctor", "--pid", &gone.to_string()]).code, 4);
    let own = run(["doctor", "--json", "--pid", &std::process::id().to_string()]);
    assert_eq!(own.code, 6, "{own:?}");
    let checks = checks(&own);
    assert!(found(&checks, "interpreter").contains("is not Python"), "{checks:#?}");
}
