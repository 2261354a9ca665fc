//! What happens to the machine: no room, no memory, CPUs that go, clocks that jump.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime, clock_settime};

use super::{MEMORY, Target};
use crate::harness::{Holdings, Scratch, Tracer, number, skip, turn};

/// A disk without room is reported as that, and no half of a report stays.
#[test]
fn no_room_for_the_report() {
    let _turn = turn();
    let Some(mut target) = Target::start() else { return };
    let scratch = Scratch::new();
    let script = "mount -t tmpfs -o size=4k none \"$0\" && \"$1\" -d 200ms -p \"$2\" -o \"$0/report.json\"; \
        code=$?; ls -A \"$0\"; exit $code";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(scratch.path()).arg(env!("CARGO_BIN_EXE_tracer"));
    let run = Tracer::spawn(command.arg(target.pid().to_string())).end();
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{}", run.stderr);
    assert!(run.stderr.contains("no space left on device"), "{}", run.stderr);
    target.assert_whole(0, &Holdings::default());
    target.finish();
}

/// Half of what is promised is enough for an ordinary run; with too little the kernel ends it, and the target lives.
#[test]
fn little_memory() {
    let _turn = turn();
    let Some(mut target) = Target::start() else { return };
    for (limit, is_enough) in [(MEMORY / 2, true), (12 << 20, false)] {
        let Some(group) = Group::new("memory", ["memory.limit_in_bytes", "memory.max"], limit) else {
            return skip("no control group of the test's own");
        };
        let pid = target.pid().to_string();
        let script = "echo $$ > \"$0/cgroup.procs\" && exec \"$1\" --json -d 500ms --budget off -p \"$2\"";
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(&group.0).arg(env!("CARGO_BIN_EXE_tracer")).arg(&pid);
        let run = Tracer::spawn(&mut command).end();
        if is_enough {
            let report = run.exact();
            let peak = number(&report["overhead"]["tracer_peak_rss_bytes"]);
            assert!(peak < MEMORY / 2, "{} MiB", peak >> 20);
        } else {
            assert!(run.code == 128 + 9 || run.code == 1, "{run:?}");
        }
        target.assert_whole(0, &Holdings::default());
    }
    target.finish();
}

/// Without room for a thread it says so, in one line.
#[test]
fn no_thread_but_ours() {
    let _turn = turn();
    let Some(mut target) = Target::start() else { return };
    let Some(group) = Group::new("pids", ["pids.max"; 2], 1) else {
        return skip("no control group of the test's own");
    };
    let pid = target.pid().to_string();
    for command in ["--json -d 200ms --budget off", "dump --json", "signals --json"] {
        let script = format!("echo $$ > \"$0/cgroup.procs\" && exec \"$1\" {command} {pid}");
        let mut shell = Command::new("sh");
        let run =
            Tracer::spawn(shell.args(["-c", &script]).arg(&group.0).arg(env!("CARGO_BIN_EXE_tracer"))).end();
        assert!(!run.stderr.contains("panicked"), "{command}: {}", run.stderr);
        match command.starts_with("--") {
            true => {
                let line = "tracer: cannot start a thread: resource temporarily unavailable; \
                    try more processes: ulimit -u, pids.max\n";
                assert_eq!((run.code, &*run.stderr), (1, line));
            }
            false => assert_eq!(run.code, 0, "{command}: {}", run.stderr),
        }
        target.assert_whole(0, &Holdings::default());
    }
    target.finish();
}

/// A CPU goes and comes back: what it had counted is not lost.
#[test]
#[ignore = "others would notice: cargo xtask chaos"]
fn a_cpu_goes_and_comes_back() {
    const ONLINE: &str = "/sys/devices/system/cpu/cpu1/online";
    if !Path::new(ONLINE).exists() {
        return skip("no CPU can be taken away");
    }
    let _turn = turn();
    let Some(mut target) = Target::start() else { return };
    let tracer = Tracer::attach(target.pid(), &["--calls"]);
    let (pid, held) = (tracer.pid(), Holdings::new(tracer.pid()));
    for state in ["0", "1", "0", "1"] {
        if fs::write(ONLINE, state).is_err() {
            return skip("the CPU cannot be taken away");
        }
        thread::sleep(Duration::from_millis(500));
    }
    assert!(number(&tracer.stop().exact()["quality"]["hits"]) > 0);
    target.assert_whole(pid, &held);
    target.finish();
}

/// Nothing that lasts is measured by the clock on the wall.
#[test]
#[ignore = "others would notice: cargo xtask chaos"]
fn the_clock_is_set() {
    let _turn = turn();
    let Some(mut target) = Target::start() else { return };
    for seconds in [5, -5] {
        let tracer = Tracer::attach(target.pid(), &["-d", "1s"]);
        let (pid, held) = (tracer.pid(), Holdings::new(tracer.pid()));
        thread::sleep(Duration::from_millis(200));
        let mut now = clock_gettime(ClockId::Realtime);
        now.tv_sec += seconds;
        clock_settime(ClockId::Realtime, now).expect("root may");
        let report = tracer.end().exact();
        let lasted_ms = number(&report["window"]["duration_ns"]) / 1_000_000;
        assert!((1_000..1_500).contains(&lasted_ms), "{lasted_ms} ms");
        target.assert_whole(pid, &held);
    }
    target.finish();
}

/// A control group whose members have so much of something, gone with this value.
struct Group(std::path::PathBuf);

impl Group {
    /// The limit's file has a name in each version of control groups.
    fn new(controller: &str, files: [&str; 2], limit: u64) -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup");
        [root.join(controller), root.to_owned()].into_iter().zip(files).find_map(|(root, file)| {
            let path = root.join(format!("tracer-chaos-{controller}-{}", std::process::id()));
            fs::create_dir(&path).ok()?;
            let group = Self(path);
            fs::write(group.0.join(file), limit.to_string()).ok()?;
            Some(group)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
