//! The tracer on other kernels: each boots in a guest, and a check in there traces a program whose work is known.

mod emulator;
mod guest;
mod image;
mod package;
mod verified;

use std::path::Path;

use anyhow::{Result, ensure};

use crate::command::say;
use crate::{build, tree};
use emulator::Emulator;

/// A kernel that Debian has, and what the tracer makes of it.
struct Kernel {
    /// Its newest one is taken, whatever number that has by then.
    suite: &'static str,
    /// Added to its command line.
    parameters: &'static str,
    /// What `kernels/check.py` is to see.
    expected: &'static str,
}

/// 5.10, of bullseye, has no `bpf_loop`: there the tracer has to say so. `preempt=full`: a breakpoint's program may lose
/// its CPU to another process that meets the same breakpoint.
#[rustfmt::skip] // one line a boot
const KERNELS: &[Kernel] = &[
    Kernel { suite: "bullseye", parameters: "", expected: "refuses" },
    Kernel { suite: "bookworm", parameters: "", expected: "traces" },
    Kernel { suite: "trixie", parameters: "", expected: "traces" },
    Kernel { suite: "trixie", parameters: "preempt=full", expected: "preempts" },
    Kernel { suite: "sid", parameters: "", expected: "traces" },
];

/// Checks the tracer on the kernels of these suites, or of all.
pub fn kernels(suites: &[String]) -> Result<()> {
    let all: Vec<_> = KERNELS.iter().map(|kernel| kernel.suite).collect();
    for suite in suites {
        ensure!(all.contains(&suite.as_str()), "cannot boot {suite}: try {}", all.join(", "));
    }
    let tracer = build::build()?;
    let folder = tree::root().join("target/kernels");
    let emulator = Emulator::get(&folder)?;
    let wanted = |kernel: &&Kernel| suites.is_empty() || suites.iter().any(|suite| suite == kernel.suite);
    let mut failed = Vec::new();
    for kernel in KERNELS.iter().filter(wanted) {
        match kernel.check(&folder, &emulator, &tracer) {
            Ok(release) => say(format!("{release} {}: {}, as expected", kernel.parameters, kernel.expected)),
            Err(cause) => {
                say(format!("{}: {cause:#}", kernel.suite));
                failed.push(kernel.suite);
            }
        }
    }
    ensure!(failed.is_empty(), "the tracer failed on the kernel of {}", failed.join(", "));
    Ok(())
}

impl Kernel {
    /// Boots it; returns its release.
    fn check(&self, folder: &Path, emulator: &Emulator, tracer: &Path) -> Result<String> {
        let kernel = package::kernel(folder, self.suite)?;
        let image = image::build(folder, emulator, tracer, self.expected)?;
        let passed = guest::run(emulator, &kernel, self.parameters, &image)?;
        // Other options ask for other programs.
        if self.expected == "traces" {
            verified::check(self.suite, &passed.verified)?;
        }
        Ok(passed.release)
    }
}
