//! Targets in states that few are in: each is traced in time, lives, and is as it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{MEMORY, assert_orderly};
use crate::harness::{Program, Run, number, run, skip, system, turn};
use crate::targets::unharmed::assert_untouched;

/// What a command may take beyond what it was asked to, on a busy machine.
const SOON: Duration = Duration::from_secs(4);

#[test]
fn each_is_traced() {
    let Some(python) = system() else { return };
    let _turn = turn();
    for way in ["headless", "loading", "covered", "locked", "paged_out", "forgetful"] {
        let mut program = Program::start_with(&python, "odd.py", &[way]);
        for run in traced(program.pid(), way) {
            assert_eq!(run.code, 0, "{way}: {}", run.stderr);
        }
        program.go(); // it lives
    }
}

/// A group that is frozen stands still wherever it is, and goes on where it was.
#[test]
fn a_frozen_one_is_traced() {
    let Some(python) = system() else { return };
    let _turn = turn();
    let mut program = Program::start_with(&python, "odd.py", &["ordinary"]);
    let Some(freezer) = Freezer::freeze(program.pid()) else { return skip("nothing can be frozen here") };
    traced(program.pid(), "frozen");
    drop(freezer);
    program.go(); // it lives
    assert_untouched(program.pid());
}

/// By every command that reads a process.
fn traced(pid: u32, what: &str) -> [Run; 3] {
    let pid = pid.to_string();
    [&["--json", "-d", "300ms", "--calls", &pid][..], &["dump", "--json", &pid], &["signals", "--json", &pid]]
        .map(|command| {
            let began = Instant::now();
            let run = run(command);
            assert!(began.elapsed() < SOON, "{what}, {command:?}: {:?}", began.elapsed());
            if command[0] == "--json" {
                assert_orderly(&run, what);
                let peak = number(&run.report()["overhead"]["tracer_peak_rss_bytes"]);
                assert!(peak < MEMORY, "{what}: {} MiB", peak >> 20);
            }
            run
        })
}

/// A control group that stands still, until this value is dropped.
struct Freezer(PathBuf, &'static str);

impl Freezer {
    /// By either version of control groups.
    fn freeze(pid: u32) -> Option<Self> {
        let ways = [
            ("/sys/fs/cgroup/freezer", "freezer.state", "FROZEN", "THAWED"),
            ("/sys/fs/cgroup", "cgroup.freeze", "1", "0"),
        ];
        ways.into_iter().find_map(|(root, file, frozen, thawed)| {
            let group = Path::new(root).join(format!("tracer-chaos-frozen-{}", std::process::id()));
            fs::create_dir(&group).ok()?;
            let freezer = Self(group, thawed);
            fs::write(freezer.0.join("cgroup.procs"), pid.to_string()).ok()?;
            fs::write(freezer.0.join(file), frozen).ok()?;
            Some(freezer)
        })
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("freezer.state"), self.1);
        let _ = fs::write(self.0.join("cgroup.freeze"), self.1);
        // Members go to where they were before: a group with members cannot be removed.
        let parent = self.0.parent().unwrap_or(Path::new("/")).join("cgroup.procs");
        for pid in fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default().lines() {
            let _ = fs::write(&parent, pid);
        }
        let _ = fs::remove_dir(&self.0);
    }
}
