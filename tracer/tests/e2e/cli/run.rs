//! `tracer run`: a command, traced from its first instruction.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, kill_process_group};

use crate::harness::{
    Python, Run, Scratch, Signal, Status, Tracer, as_a_shell_would, install, install_bytes, number,
    on_every_python, rows, run, source, stack, system, text, until,
};

on_every_python!(first_reads_are_seen, handlers_are_seen_soon);

fn first_reads_are_seen(python: &Python) {
    let scratch = Scratch::new();
    let data = scratch.file("data");
    fs::write(&data, [b'x'; 1000]).expect("a new file");
    let (python, data) = (python.path.to_str().expect("a path"), data.to_str().expect("a path"));
    let program = "import os, sys, time\nfd = os.open(sys.argv[1], os.O_RDONLY)\nwhile os.read(fd, 100):\n    pass\ntime.sleep(1)\nos._exit(3)";
    let run = run(["run", "--json", "--", python, "-B", "-c", program, data]);

    let report = run.exact_with(3);
    assert_eq!(report.ended(), "target_exited");
    assert!(run.stderr.ends_with("exited with 3\n"), "{}", run.stderr);
    let ours: Vec<_> = rows(&report["reads"]).filter(|row| row["path"] == data).collect();
    let calls: u64 = ours.iter().map(|row| number(&row["syscalls"])).sum();
    assert_eq!(calls, 11, "ten pieces and the end of the file: {ours:#?}");
    let root = rows(&report["target"]["processes"]).find(|process| process["root"] == true);
    assert!(root.is_some_and(|root| root["python"].is_string()), "{}", report["target"]);
}

/// However early in its start the interpreter is probed.
fn handlers_are_seen_soon(python: &Python) {
    let program = "import os, signal, time\nsignal.signal(signal.SIGUSR1, lambda number, frame: None)\nfor _ in range(30):\n    time.sleep(0.05)\n    os.kill(os.getpid(), signal.SIGUSR1)\n    time.sleep(0)";
    let path = python.path.to_str().expect("a path");
    let report = run(["run", "--json", "--", path, "-B", "-c", program]).exact();
    let reported: Vec<_> = rows(&report["signals"]).filter(|row| row["number"] == 10).collect();
    assert_eq!(reported.len(), 30);
    let last = reported.last().expect("there are thirty");
    assert_eq!(
        (&last["handler_state"], &last["disposition"]),
        (&"started".into(), &"python".into()),
        "{last}"
    );
}

#[test]
fn no_read_is_missed_and_the_later_ones_have_lines() {
    let Some(python) = system() else { return };
    let scratch = Scratch::new();
    let data = scratch.file("data");
    fs::write(&data, vec![b'x'; 200_000]).expect("a new file");
    let program = source("first_reads.py");
    let (python, data) = (python.path.to_str().expect("a path"), data.to_str().expect("a path"));
    let report = run(["run", "--json", "--", python, program.to_str().expect("a path"), data]).exact();
    let rows: Vec<_> = rows(&report["reads"]).filter(|row| row["path"] == data).collect();
    let calls = rows.iter().map(|row| number(&row["syscalls"]));
    assert_eq!(calls.sum::<u64>(), 2 * 2001, "twice two thousand pieces and the end: {rows:#?}");
    let sites = rows.iter().filter_map(|row| stack(&row["stack"]).into_iter().next());
    assert!(sites.into_iter().any(|site| site.starts_with("read_all ")), "{rows:#?}");
}

#[track_caller]
fn assert_refused(run: &Run, code: i32, words: &[&str]) {
    assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{run:?}");
    let line = run.stderr.strip_suffix('\n').expect("a line");
    assert!(line.starts_with("tracer: cannot run ") && !line.contains('\n'), "{line:?}");
    assert!(words.iter().all(|word| line.contains(word)), "{line}");
}

#[test]
fn a_command_that_does_not_exist() {
    let Some(_python) = system() else { return };
    assert_refused(&run(["run", "--", "no-such-command"]), 1, &["no-such-command", "no such"]);
    assert_refused(&run(["run", "--", "/etc/passwd"]), 1, &["/etc/passwd", "not executable"]);
    let scratch = Scratch::new();
    let script = scratch.file("script");
    install_bytes("#!/no/such/interpreter\n", &script);
    assert_refused(&run(["run", "--", script.to_str().expect("a path")]), 1, &["script", "no such"]);
    assert_eq!(run(["run"]).code, 2);
}

#[test]
fn what_is_no_python_is_traced_all_the_same() {
    let Some(_python) = system() else { return };
    let run = run(["run", "--json", "--", "sh", "-c", "echo out; cat /etc/hostname; kill -KILL $$"]);
    let report = run.exact_with(128 + 9);
    assert_eq!(number(&report["processes"]["forked"]), 1);
    assert!(run.stderr.contains("no Python process was seen"), "{}", run.stderr);
    assert!(run.stderr.contains("out\n"), "stdout is the report's: {}", run.stderr);
    assert!(run.stderr.ends_with("sh was killed by SIGKILL\n"), "{}", run.stderr);
}

/// As strace, perf and time do; a rule that holds comes first.
#[test]
fn the_exit_code_is_the_commands_own() {
    let Some(_python) = system() else { return };
    for (flags, script, code) in [
        (&[][..], "exit 0", 0),
        (&[], "exit 7", 7),
        (&[], "kill -TERM $$", 128 + 15),
        (&["--fail-on", "signal:TERM"], "kill -TERM $$", 3),
        (&["--fail-on", "signal:TERM"], "exit 7", 7),
    ] {
        let run = run([&["run", "--json"], flags, &["--", "sh", "-c", script]].concat());
        run.exact_with(code);
    }
}

#[test]
fn stdout_is_the_commands_where_the_report_goes_elsewhere() {
    let Some(_python) = system() else { return };
    let scratch = Scratch::new();
    let path = scratch.file("report.json");
    let run = run(["run", "-o", path.to_str().expect("a path"), "--", "echo", "out"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "out\n"), "{}", run.stderr);
    assert!(fs::read_to_string(path).expect("the report").contains("tracer.report/1"));
}

#[test]
fn a_command_inherits_nothing_of_ours() {
    let Some(_python) = system() else { return };
    let show = "ls /proc/self/fd | wc -l; grep -E 'Sig(Blk|Ign)' /proc/self/status";
    let plain = as_a_shell_would(Command::new("sh").args(["-c", show])).output().expect("sh(1)");
    let plain = String::from_utf8(plain.stdout).expect("digits");
    let run = run(["run", "--json", "--", "sh", "-c", show]);
    let shown: Vec<_> =
        run.stderr.lines().filter(|line| !line.starts_with("tracer:")).map(standard).collect();
    assert_eq!(shown, plain.lines().map(standard).collect::<Vec<_>>());
}

#[test]
fn a_command_has_the_limits_that_we_had() {
    let Some(_python) = system() else { return };
    let script = "ulimit -Sn 200; ulimit -Ss 4096; exec \"$0\" run --json -- sh -c 'ulimit -n; ulimit -s'";
    let run = Tracer::spawn(Command::new("bash").args(["-c", script, env!("CARGO_BIN_EXE_tracer")])).end();
    run.exact();
    let shown: Vec<_> = run.stderr.lines().filter(|line| !line.starts_with("tracer:")).collect();
    assert_eq!(shown, ["200", "4096"]);
}

/// A line without the signals that the C library keeps to itself.
fn standard(line: &str) -> (String, u64) {
    let (name, value) = line.split_once(':').unwrap_or(("", line));
    let value = u64::from_str_radix(value.trim(), 16).expect("a number");
    (name.to_owned(), value & 0x7fff_ffff)
}

#[test]
fn ctrl_c_reaches_the_command_and_the_report_still_comes() {
    let Some(python) = system() else { return };
    let program = "import time; print('begun', flush=True); time.sleep(600)";
    let path = python.path.to_str().expect("a path");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracer"));
    let tracer = Tracer::spawn(command.args(["run", "--json", "--", path, "-c", program]).process_group(0));
    let child = until("its child", || child_named(tracer.pid(), "python"));
    tracer.until_stderr_has("begun"); // so that Python has set its handler
    let group = Pid::from_raw(tracer.pid().cast_signed()).expect("a pid");
    kill_process_group(group, Signal::INT).expect("our own group");
    let run = tracer.end();
    let report = run.exact_with(128 + 2);
    assert!(matches!(report.ended(), "interrupt" | "target_exited"), "{}", report["window"]);
    assert!(run.stderr.contains("KeyboardInterrupt"), "{}", run.stderr);
    assert!(run.stderr.contains("was killed by SIGINT"), "{}", run.stderr);
    assert!(Status::new(child).is_none(), "it has been reaped");
}

/// A child that runs something of that name.
fn child_named(pid: u32, name: &str) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let mut children = children.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok());
    children
        .find(|child| fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|comm| comm.contains(name)))
}

#[test]
fn a_command_outlives_a_window_that_ends_first() {
    let Some(_python) = system() else { return };
    let run = run(["run", "--json", "-d", "300ms", "--", "sleep", "5"]);
    let report = run.exact();
    assert_eq!(report.ended(), "duration");
    let pid = number(&report["target"]["pids"][0]);
    assert!(run.stderr.ends_with(&format!("sleep runs on as PID {pid}\n")), "{}", run.stderr);
    let process = report.process(pid).expect("the root");
    assert_eq!(text(&process["comm"]), "sleep");
    let sleep = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    rustix::process::kill_process(sleep, Signal::KILL).expect("it runs on");
}

/// The user of Debian's who owns nothing, and the group of the same name.
const NOBODY: &str = "65534";

/// A user who may call tracer by sudo, and nothing else, runs nothing as root by it.
#[test]
fn under_sudo_the_command_runs_as_the_caller() {
    let Some(_python) = system() else { return };
    let show = "echo $(id -u) $(id -g) $(id -G) $USER $LOGNAME $HOME ${SUDO_UID-}";
    let root = "0 0 0 root root /root";
    let nobody = "65534 65534 65534 nobody nobody /nonexistent";
    for (flags, expected) in [
        (&[][..], nobody.to_owned()),
        (&["--user", "root"], root.to_owned()),
        (&["--as-root"], format!("{root} {NOBODY}")),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tracer"));
        let sudo = command.env("SUDO_UID", NOBODY).env("SUDO_GID", NOBODY).env("USER", "root");
        let sudo = sudo.env("LOGNAME", "root").env("HOME", "/root").arg("run").args(flags);
        let run = Tracer::spawn(sudo.args(["--json", "--", "sh", "-c", show])).end();
        run.exact();
        let shown = run.stderr.lines().find(|line| !line.starts_with("tracer:"));
        assert_eq!(shown, Some(&*expected), "{flags:?}: {}", run.stderr);
    }
    let unknown = run(["run", "--user", "nobody of this name", "--", "true"]);
    assert_refused(&unknown, 1, &["there is no user nobody of this name"]);
}

#[test]
fn nothing_is_run_where_nothing_can_be_traced() {
    let Some(_python) = system() else { return };
    let scratch = Scratch::new();
    let (binary, made) = (scratch.file("tracer"), scratch.file("made"));
    install(env!("CARGO_BIN_EXE_tracer"), &binary);
    let mut command = Command::new(binary);
    let command = command.args(["run", "--", "touch"]).arg(&made).uid(65534).gid(65534);
    let run = Tracer::spawn(command).end();
    assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{}", run.stderr);
    assert!(!made.exists());
}
