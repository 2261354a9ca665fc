//! What may happen to a tracer, and what must hold then: its target lives with its code as it was, nothing is left in the
//! kernel, and it ends in time. `cargo xtask chaos` tries each much more often than the tests do by themselves.

mod beside;
mod host;
mod injected;
mod kills;
mod liar;
mod odd;

use std::time::Duration;

use crate::harness::{Holdings, KernelLog, Program, Run, system, until};
use crate::targets::unharmed::{assert_untouched, is_changed};

/// What a command may take beyond what it was asked to.
const IN_TIME: Duration = Duration::from_secs(5);
/// What it may hold.
const MEMORY: u64 = 128 << 20;

/// A target that works all the time, has children, and answers.
struct Target {
    program: Program,
    log: KernelLog,
    tracers: Vec<u32>,
}

impl Target {
    fn start() -> Option<Self> {
        let log = KernelLog::from_now();
        let mut program = Program::start(&system()?, "chaos.py");
        program.go();
        assert!(!is_changed(program.pid()), "the code is the file's before anybody traces it");
        Some(Self { program, log, tracers: Vec::new() })
    }

    fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// It works, and nothing of a tracer that has ended is left; the kernel takes out in its own time what a dead one had.
    fn assert_whole(&mut self, tracer: u32, held: &Holdings) {
        let pid = self.pid();
        until("the code to be the file's again", || (!is_changed(pid)).then_some(()));
        until("its programs, maps and links to go", || held.left().is_empty().then_some(()));
        assert_untouched(pid);
        assert!(self.program.answers());
        self.tracers.push(tracer);
    }

    /// It has done all its work right, and the kernel has nothing to complain about.
    fn finish(self) {
        assert_eq!(self.complaints(), [""; 0]);
    }

    /// It has done all its work right; what the kernel says of the tracers.
    fn complaints(mut self) -> Vec<String> {
        self.program.finish();
        self.log.complaints_of(&self.tracers)
    }
}

/// It came to a report, whose sums add up, or said in a line why not.
#[track_caller]
fn assert_orderly(run: &Run, what: &str) {
    assert!(!run.stderr.contains("panicked"), "{what}: {}", run.stderr);
    match run.code {
        0 | 8 => drop(run.report()),
        1 | 4..=7 => {
            let said = run.stderr.lines().any(|line| line.starts_with("tracer: cannot "));
            assert!(said, "{what}: {}", run.stderr);
        }
        code => panic!("{what}: it ended with {code}: {}", run.stderr),
    }
}

/// Numbers without any pattern, the same ones in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
