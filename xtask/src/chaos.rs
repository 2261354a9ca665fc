//! The tests of what may happen to a tracer, with those that take too long, or disturb others too much, to run by themselves.

use anyhow::Result;

use crate::build::probes;
use crate::command::run;
use crate::test::end_to_end;

/// Builds, and runs them one after the other: each reads the kernel's log.
pub fn chaos(quick: bool) -> Result<()> {
    probes()?;
    let mut tests = end_to_end()?;
    tests.args(["--", "chaos::", "--test-threads=1"]);
    if !quick {
        tests.arg("--include-ignored");
    }
    run(&mut tests)
}
