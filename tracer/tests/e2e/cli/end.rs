//! When a run ends, and with which exit code.

use std::io::{PipeReader, Read, pipe};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, kill_process};
use serde_json::Value;

use crate::harness::{Program, Signal, Status, Tracer, number, rows, run, system, turn, until};
use crate::targets::unharmed::is_changed;

#[test]
fn asked_to_stop() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let tracer = Tracer::attach(program.pid(), &[]);
        tracer.signal(signal);
        let report = tracer.end().exact();
        assert_eq!(report.ended(), "interrupt", "{signal:?}");
        assert_eq!(report["target"]["pids"], serde_json::json!([program.pid()]), "{signal:?}");
    }
}

#[test]
fn duration_is_over() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let report = run(["--json", "--duration", "500ms", &program.pid().to_string()]).exact();
    assert_eq!(report.ended(), "duration");
    let lasted_ms = number(&report["window"]["duration_ns"]) / 1_000_000;
    assert!((500..800).contains(&lasted_ms), "{lasted_ms} ms");
}

#[test]
fn target_ends_first() {
    let Some(python) = system() else { return };
    let mut program = Program::start(&python, "idle.py");
    let tracer = Tracer::attach(program.pid(), &[]);
    program.go();
    program.finish();
    let report = tracer.end().exact();
    assert_eq!(report.ended(), "target_exited");
    let process = report.process(program.pid().into()).expect("the target is in the report");
    assert!(process["ended_at_ns"].is_u64(), "{process}");
}

#[test]
fn until_a_signal() {
    let Some(python) = system() else { return };
    for (outcome, state) in [("handled", "started"), ("ignored", "none"), ("killed", "none")] {
        let mut program = Program::start_with(&python, "term.py", &[outcome]);
        let pid = program.pid().to_string();
        let tracer = Tracer::start(["--pid", &pid, "--jsonl", "--until", "signal:TERM", "-d", "30"]);
        tracer.until_attached();
        let handler = program.go();
        program.signal(Signal::TERM);
        let run = tracer.end();
        assert_eq!(run.code, 0, "{outcome}: {}", run.stderr);
        let lines: Vec<Value> = run.stdout.lines().map(json).collect();
        let report = lines.last().expect("the report");
        assert_eq!((&report["kind"], &report["window"]["ended"]), (&"report".into(), &"until".into()));
        let reported: Vec<_> = rows(&report["signals"]).filter(|row| row["number"] == 15).collect();
        let [reported] = reported[..] else { panic!("{outcome}: one SIGTERM: {reported:?}") };
        assert_eq!(
            (&reported["outcome"], &reported["handler_state"]),
            (&outcome.into(), &state.into()),
            "{reported}"
        );

        let of = |kind| lines.iter().filter(move |line| line["kind"] == kind);
        assert_eq!(of("signal").filter(|line| line["number"] == 15).count(), 1, "{outcome}");
        let begun: Vec<_> =
            of("handler").map(|line| (&line["signals"], &line["target"], &line["frame"])).collect();
        let expected = (serde_json::json!(["SIGTERM"]), reported["target"].clone());
        let target = serde_json::json!({ "pid": expected.1["pid"], "tid": expected.1["tid"] });
        match outcome {
            "handled" => assert_eq!(begun, [(&expected.0, &target, &handler)]),
            _ => assert_eq!(begun, []),
        }
        assert_eq!(
            outcome != "killed",
            Status::new(program.pid()).is_some_and(|status| status.state() != 'Z')
        );
    }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).expect("a line is an object")
}

#[test]
fn until_a_zombie() {
    let Some(python) = system() else { return };
    let mut program = Program::start_with(&python, "idle.py", &["zombie"]);
    let tracer = Tracer::attach(program.pid(), &["--until", "zombie"]);
    program.go();
    assert_eq!(tracer.end().exact().ended(), "until");
}

#[test]
fn fail_on_zombies() {
    let Some(python) = system() else { return };
    for (arguments, code) in [(&["zombie"][..], 3), (&[], 0)] {
        let mut program = Program::start_with(&python, "idle.py", arguments);
        let tracer = Tracer::attach(program.pid(), &["--fail-on", "zombies>0"]);
        program.go();
        let run = tracer.stop();
        assert_eq!(run.report().lost(), 0, "{arguments:?}");
        assert_eq!(run.code, code, "{arguments:?}: {}", run.stderr);
    }
}

/// Nobody reads its report, so it cannot finish; the second Ctrl-C must not wait for that.
#[test]
fn second_interrupt_quits_at_once() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let mut stuck = Stuck::attach(program.pid(), &["--json"]);
    for _ in 0..2 {
        stuck.interrupt();
    }
    assert_eq!(stuck.end(), 130);
}

/// Nobody is slowed by a report that nobody reads, and who waits for its reader can be asked to end.
#[test]
fn a_reader_that_stalls_keeps_no_breakpoint() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let program = Program::start(&python, "calls.py");
    let mut stuck = Stuck::attach(program.pid(), &["--json", "--calls"]);
    until("its breakpoints", || is_changed(program.pid()).then_some(()));
    stuck.interrupt();
    until("the code to be the file's again", || (!is_changed(program.pid())).then_some(()));
    until("the report to be made", || sleeps_in_write(stuck.tracer.id()).then_some(()));
    stuck.kill(Signal::TERM);
    assert_eq!(stuck.end(), 128 + 15);
}

/// A stream that nobody reads stops nothing: not the collector, not the clock, and not Ctrl-C.
#[test]
fn a_reader_that_stalls_deafens_nobody() {
    let Some(python) = system() else { return };
    let mut program = Program::start(&python, "fork_burst.py");
    let mut stuck = Stuck::attach(program.pid(), &["--jsonl", "-d", "2s"]);
    program.go();
    until("the end of its window", || {
        assert!(stuck.hear(), "it ended: {}", stuck.said());
        stuck.said().contains("the time is up").then_some(())
    });
    for _ in 0..2 {
        stuck.interrupt();
    }
    assert_eq!(stuck.end(), 130);
}

/// Nor does what is said on stderr, if nobody reads that: a terminal that stands still kept a run from its end.
#[test]
fn a_stderr_that_stalls_keeps_nobody() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let program = Program::start(&python, "calls.py");
    let pid = program.pid().to_string();
    let (_reader, stderr) = pipe().expect("there are descriptors left");
    fill(&stderr);
    let start = |flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tracer"));
        command.args(["-v", "--json", "--calls", "--pid", &pid]).args(flags);
        let stderr = stderr.try_clone().expect("there are descriptors left");
        command.stdout(Stdio::piped()).stderr(stderr).spawn().expect("the tracer was built")
    };
    let is_whole = || until("the code to be the file's again", || (!is_changed(program.pid())).then_some(()));
    for (flags, signal) in [(&["-d", "500ms"][..], None), (&[], Some(Signal::INT)), (&[], Some(Signal::TERM))]
    {
        let mut tracer = start(flags);
        if let Some(signal) = signal {
            until("its breakpoints", || is_changed(program.pid()).then_some(()));
            kill_process(Pid::from_child(&tracer), signal).expect("it was not waited for");
        }
        let code = until("its end", || tracer.try_wait().expect("it is our child")).code();
        // It may have been attaching still.
        assert!(code == Some(0) || code == signal.map(|signal| 128 + signal.as_raw()), "{flags:?}: {code:?}");
        is_whole();
    }
}

/// The process that started us may have blocked the signals that are to end us.
#[test]
fn signals_that_were_blocked_are_heard() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    for signal in [Signal::INT, Signal::TERM] {
        let mut command = Command::new("env");
        command.args(["--block-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_tracer"), "--json", "--pid"]);
        let tracer = Tracer::spawn(command.arg(program.pid().to_string()));
        tracer.until_attached();
        tracer.signal(signal);
        assert_eq!(tracer.end().exact().ended(), "interrupt", "{signal:?}");
    }
}

/// Who traces for nobody ends, whether there is anything to write or not.
#[test]
fn a_reader_that_goes_away_ends_the_run() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    for (flag, line) in [
        ("--jsonl", "tracer: cannot write the events: broken pipe; try a reader that stays"),
        ("--json", "tracer: cannot write to stdout: broken pipe; try -o FILE"),
    ] {
        let mut stuck = Stuck::attach(program.pid(), &[flag]);
        drop(stuck.stdout.take());
        assert_eq!(stuck.end(), 1);
        let said = stuck.said();
        assert_eq!(said.lines().last(), Some(line), "{said}");
    }
}

#[test]
fn a_stdout_that_takes_nothing_is_an_error() {
    let Some(python) = system() else { return };
    let program = Program::start(&python, "idle.py");
    let full = "cannot write to stdout: no space left on device; try -o FILE";
    let full_stream = "cannot write the events: no space left on device; try another disk";
    let closed = "cannot write to stdout: bad file descriptor; try -o FILE";
    for (flags, stdout, line) in [
        ("-d 100ms --json", "> /dev/full", full),
        ("-d 100ms --jsonl", "> /dev/full", full_stream),
        ("-d 100ms --jsonl", ">&-", closed),
        ("-d 100ms", ">&-", closed),
        ("-d 100ms --json 2> /dev/full", "> /dev/full", ""),
    ] {
        let script = format!("exec \"$0\" {flags} -p {} {stdout}", program.pid());
        let run = Tracer::spawn(Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_tracer")])).end();
        assert_eq!(run.code, 1, "{flags} {stdout}: {}", run.stderr);
        let last = run.stderr.lines().last().unwrap_or_default();
        assert_eq!(last.trim_start_matches("tracer: "), line, "{flags} {stdout}");
    }
}

/// A tracer whose stdout is a pipe that is full.
struct Stuck {
    tracer: Child,
    stdout: Option<PipeReader>,
    said: Vec<u8>,
}

fn sleeps_in_write(pid: u32) -> bool {
    let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    call.starts_with(&format!("{} 0x1 ", libc::SYS_write))
}

impl Stuck {
    fn attach(pid: u32, flags: &[&str]) -> Self {
        let (stdout, writer) = pipe().expect("there are descriptors left");
        fill(&writer);
        let tracer = Command::new(env!("CARGO_BIN_EXE_tracer"))
            .args(["--pid", &pid.to_string()])
            .args(flags)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tracer was built");
        let mut stuck = Self { tracer, stdout: Some(stdout), said: Vec::new() };
        until("`attached`", || {
            assert!(stuck.hear(), "it ended: {}", stuck.said());
            stuck.said().contains("attached").then_some(())
        });
        stuck
    }

    /// What it says next; false at the end.
    fn hear(&mut self) -> bool {
        let stderr = self.tracer.stderr.as_mut().expect("stderr is piped");
        let mut piece = [0; 512];
        let bytes = stderr.read(&mut piece).expect("stderr is readable");
        self.said.extend_from_slice(&piece[..bytes]);
        bytes > 0
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }

    /// Its exit code, once it has ended.
    fn end(&mut self) -> i32 {
        let status = until("the end of the tracer", || self.tracer.try_wait().expect("it is our child"));
        while self.hear() {}
        status.code().expect("it exits by itself")
    }

    fn kill(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.tracer), signal)
            .expect("a child that was not waited for has its pid");
    }

    /// Sends Ctrl-C, and waits until it has been taken: a second one would else be the same.
    fn interrupt(&mut self) {
        self.kill(Signal::INT);
        until("the signal to be taken", || match Status::new(self.tracer.id()) {
            Some(status) if status.state() != 'Z' && status.pending(2) => None,
            _ => Some(()),
        });
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        let _ = self.tracer.kill();
        let _ = self.tracer.wait();
    }
}

/// Writes until there is no room.
fn fill(pipe: &impl std::os::fd::AsFd) {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

    let flags = fcntl_getfl(pipe).expect("a pipe has flags");
    fcntl_setfl(pipe, flags | OFlags::NONBLOCK).expect("flags of a pipe can be set");
    while rustix::io::write(pipe, &[b' '; 4096]).is_ok() {}
    fcntl_setfl(pipe, flags).expect("flags of a pipe can be set");
}
