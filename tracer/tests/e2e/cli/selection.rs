//! Processes that are selected by what they are, and the list of those that there are.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Program, Python, Tracer, number, rows, run, skip, source, system, text};

/// A program with a word of its own in its command line.
fn start(python: &Python, word: &str) -> Program {
    Program::start_with(python, "idle.py", &[word])
}

fn pids(report: &Value) -> Vec<u64> {
    let mut pids: Vec<_> = report["target"]["pids"].as_array().expect("a list").iter().map(number).collect();
    pids.sort_unstable();
    pids
}

fn sorted(programs: &[&Program]) -> Vec<u64> {
    let mut pids: Vec<_> = programs.iter().map(|program| program.pid().into()).collect();
    pids.sort_unstable();
    pids
}

#[test]
fn a_name_selects_those_that_match_and_no_others() {
    let Some(python) = system() else { return };
    let (one, two) = (start(&python, "shop-worker-1"), start(&python, "shop-worker-2"));
    let _other = start(&python, "shop-master");
    let run = run(["--name", "shop-worker-[0-9]+$", "--json", "-d", "200ms"]);
    let report = run.exact();
    assert_eq!(pids(&report), sorted(&[&one, &two]), "{}", run.stderr);
    assert_eq!(rows(&report["target"]["processes"]).count(), 2, "{}", report["target"]);
    let dump = crate::harness::run(["dump", "--name", "shop-worker-2", "--json"]);
    let dump: Value = serde_json::from_str(&dump.stdout).expect("it is JSON");
    assert!(rows(&dump["threads"]).all(|thread| thread["pid"] == two.pid()), "{dump}");
}

#[test]
fn who_comes_later_joins_in_and_who_does_not_match_stays_out() {
    let Some(python) = system() else { return };
    let first = start(&python, "late-shop-1");
    let tracer = Tracer::start(["--json", "--name", "late-shop"]);
    tracer.until_attached();
    let (other, mut later) = (start(&python, "late-market"), start(&python, "late-shop-2"));
    tracer.until_stderr_has(&format!("PID {} is traced too", later.pid()));
    later.finish();
    let report = tracer.stop().exact();
    assert_eq!(report.ended(), "interrupt");
    let joined = report.process(later.pid().into()).expect("it joins in");
    assert!(text(&joined["python"]).starts_with("3."), "{joined}");
    assert!(
        joined["at_ns"].is_u64() && joined["ended_at_ns"].is_u64() && joined["root"] == false,
        "{joined}"
    );
    assert!(report.process(other.pid().into()).is_none(), "{}", report["target"]);
    assert!(
        report.process(first.pid().into()).is_some_and(|row| row["at_ns"].is_null() && row["root"] == true)
    );
}

#[test]
fn a_script_is_selected_for_the_python_below_it() {
    let Some(python) = system() else { return };
    let line =
        format!("# start-the-shop\n{} -B {}; true", python.path.display(), source("idle.py").display());
    let (program, _) = Program::start_inside(Command::new("sh").args(["-c", &line]));
    let report = run(["--name", "start-the-shop", "--json", "-d", "200ms"]).exact();
    let row = report.process(program.pid().into()).expect("it is followed");
    assert!(row["python"].is_string(), "{row}");
    assert_eq!(pids(&report), [number(&row["ppid"])], "the shell was selected");
}

#[test]
fn nothing_is_selected() {
    if system().is_none() {
        return;
    }
    for verb in [&["-d", "100ms"][..], &["dump"], &["signals"]] {
        let run = run([verb, &["--name", "no such line", "--user", "root"]].concat());
        assert_eq!((run.code, run.stdout.as_str()), (4, ""), "{run:?}");
        assert_eq!(run.stderr, "tracer: no Python process is selected; try tracer ps, which lists them\n");
    }
    for bad in [&["--name", "("][..], &["--user", "no such user"], &["--all", "--pid", "1"]] {
        assert_eq!(run(bad).code, 2, "{bad:?}");
    }
}

/// A group of its own, as systemd and container engines make them.
struct Group(PathBuf);

impl Group {
    /// `None` where there are no control groups of version 2, or we may not make any.
    fn new(path: &str) -> Option<Self> {
        let root = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(PathBuf::from);
        let root = root.into_iter().find(|root| root.join("cgroup.procs").exists())?;
        let group = root.join(path);
        fs::create_dir_all(&group).ok()?;
        Some(Self(group))
    }

    fn start(&self, python: &Python) -> Program {
        let procs = self.0.join("cgroup.procs");
        let mut command = Command::new(&python.path);
        command.arg("-B").arg(source("idle.py"));
        // SAFETY: one system call after another; the path was made before the fork.
        unsafe { command.pre_exec(move || fs::write(&procs, "0")) };
        Program::start_by(&mut command)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Ours are empty by now, but for those that are just ending.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let _ = self.0.parent().map(fs::remove_dir);
    }
}

const CONTAINER: &str = "docker-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope";

#[test]
fn units_and_containers_are_distinguished() {
    let Some(python) = system() else { return };
    let unit = Group::new("tracer-test.slice/tracer-shop.service");
    let container = Group::new(&format!("tracer-test-containers.slice/{CONTAINER}"));
    let (Some(unit), Some(container)) = (unit, container) else {
        return skip("there are no control groups of version 2 that we may make");
    };
    let (in_unit, in_container) = (unit.start(&python), container.start(&python));
    for (flags, expected) in [
        (["--unit", "tracer-shop"], &in_unit),
        (["--unit", "tracer-shop.service"], &in_unit),
        (["--cgroup", "/tracer-test.slice"], &in_unit),
        (["--container", "0123456789ab"], &in_container),
    ] {
        let run = run([&flags[..], &["--json", "-d", "100ms"]].concat());
        assert_eq!(pids(&run.exact()), sorted(&[expected]), "{flags:?}: {}", run.stderr);
    }
    let list = run(["ps", "--json"]);
    let list: Value = serde_json::from_str(&list.stdout).expect("it is JSON");
    assert_eq!(list["schema"], "tracer.ps/1");
    let row = |program: &Program| {
        rows(&list["processes"]).find(|row| row["pid"] == program.pid()).expect("listed").clone()
    };
    assert_eq!(row(&in_unit)["unit"], "tracer-shop.service");
    assert!(row(&in_unit)["container"].is_null());
    assert!(text(&row(&in_container)["container"]).starts_with("0123456789ab"));
    drop((in_unit, in_container));
}

#[test]
fn the_list_says_what_proc_says() {
    let Some(python) = system() else { return };
    let program = start(&python, "listed \u{1b}[31m");
    let sleeper = Command::new("sleep").arg("60").process_group(0).spawn();
    let mut sleeper = sleeper.expect("sleep runs");
    let found = run(["ps", "--json"]);
    let list: Value = serde_json::from_str(&found.stdout).expect("it is JSON");
    let row = rows(&list["processes"]).find(|row| row["pid"] == program.pid()).expect("it is listed");
    let version = format!("{}.{}.", python.major, python.minor);
    assert!(text(&row["python"]).starts_with(&version), "{row}");
    assert_eq!(row["ppid"], std::process::id(), "{row}");
    let status = fs::read_to_string(format!("/proc/{}/status", program.pid())).expect("it is there");
    let of = |name: &str| -> u64 {
        let value = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        value.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    assert_eq!(number(&row["threads"]), of("Threads:"), "{row}");
    let (listed, kib) = (number(&row["rss_bytes"]) / 1024, of("VmRSS:"));
    assert!(listed.abs_diff(kib) * 20 <= kib, "{listed} of {kib} KiB");
    assert!(rows(&list["processes"]).all(|row| row["pid"] != sleeper.id()), "sleep is no Python");
    let text = run(["ps", "--name", "listed"]);
    assert_eq!(text.stdout.lines().count(), 2, "{text:?}");
    assert!(crate::harness::text(&row["command"]).ends_with(" listed \\x1b[31m"), "{row}");
    assert!(!text.stdout.contains('\u{1b}'), "{text:?}");
    sleeper.kill().and_then(|()| sleeper.wait()).expect("our own child");
}
