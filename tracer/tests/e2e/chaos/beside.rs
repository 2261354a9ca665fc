//! Others who trace the same target at the same time.

use std::process::{Child, Command, Stdio};

use super::Target;
use crate::harness::{Holdings, Signal, Tracer, number, turn, until};

/// Five tracers, of which one is killed: the others see all, and the last one out leaves nothing.
#[test]
fn five_at_once() {
    let _turn = turn();
    let Some(mut target) = Target::start() else { return };
    let mut tracers: Vec<_> = (0..5).map(|_| Tracer::attach(target.pid(), &["--calls"])).collect();
    let held: Vec<_> = tracers.iter().map(|tracer| (tracer.pid(), Holdings::new(tracer.pid()))).collect();
    let killed = tracers.swap_remove(2);
    killed.signal(Signal::KILL);
    assert_eq!(killed.end().code, 128 + 9);
    for tracer in tracers {
        assert!(number(&tracer.stop().exact()["quality"]["hits"]) > 0);
    }
    for (pid, held) in &held {
        target.assert_whole(*pid, held);
    }
    target.finish();
}

/// A debugger stops the target, reads, and lets it go, while it is traced and while a tracer leaves.
#[test]
fn gdb_beside_it() {
    beside("gdb", |pid| {
        let mut gdb = Command::new("gdb");
        gdb.args(["-q", "-nx", "-batch", "-iex", "set auto-load off", "-ex", "bt 3", "-ex", "detach", "-p"]);
        gdb.arg(pid.to_string());
        gdb
    });
}

#[test]
fn strace_beside_it() {
    beside("strace", |pid| {
        let mut strace = Command::new("timeout");
        strace.args(["1", "strace", "-f", "-o", "/dev/null", "-p", &pid.to_string()]);
        strace
    });
}

#[test]
fn perf_beside_it() {
    beside("perf", |pid| {
        let mut perf = Command::new("perf");
        perf.args(["record", "-q", "-o", "/dev/null", "-p", &pid.to_string(), "--", "sleep", "1"]);
        perf
    });
}

fn beside(name: &str, command: fn(u32) -> Command) {
    if !["/usr/bin", "/bin"].iter().any(|folder| std::path::Path::new(folder).join(name).exists()) {
        return eprintln!("skipped: there is no {name}"); // a machine may well lack it
    }
    let _turn = turn();
    let Some(mut target) = Target::start() else { return };
    for leaves_first in [false, true] {
        let tracer = Tracer::attach(target.pid(), &["--calls"]);
        let (pid, held) = (tracer.pid(), Holdings::new(tracer.pid()));
        let mut other = quietly(command(target.pid()));
        if !leaves_first {
            ended(&mut other);
        }
        assert!(number(&tracer.stop().exact()["quality"]["hits"]) > 0);
        ended(&mut other);
        target.assert_whole(pid, &held);
    }
    target.finish();
}

fn quietly(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it is installed")
}

fn ended(child: &mut Child) {
    until("the other to leave", || child.try_wait().expect("our child"));
}
