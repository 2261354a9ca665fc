//! One boot of a guest: all that it says comes over its serial line.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::emulator::Emulator;

/// The whole check takes half a minute where nothing accelerates the guest.
const LIMIT_SECONDS: &str = "240";

/// What came of a check that passed.
#[derive(Debug, PartialEq)]
pub struct Passed {
    /// The kernel's.
    pub release: String,
    /// How many instructions the kernel followed to take each program.
    pub verified: BTreeMap<String, u64>,
}

/// Boots the kernel on the image, and waits for what the check says.
pub fn run(emulator: &Emulator, kernel: &Path, parameters: &str, image: &Path) -> Result<Passed> {
    result(&boot(emulator, kernel, parameters, image)?)
}

fn boot(emulator: &Emulator, kernel: &Path, parameters: &str, image: &Path) -> Result<String> {
    let output = emulator
        .program("timeout")
        .args([LIMIT_SECONDS, "qemu-system-x86_64", "-cpu", "max", "-smp", "2", "-m", "2048"])
        .args(["-nographic", "-no-reboot", "-net", "none"])
        // An emulated timer may come too late for the kernel, which panics then.
        .args(["-append", &format!("console=ttyS0 no_timer_check quiet panic=-1 oops=panic {parameters}")])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(image)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run qemu-system-x86_64")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What the check says as it begins.
fn release(said: &str) -> Option<&str> {
    line_after(said, "kernel ")
}

fn line_after<'a>(said: &'a str, prefix: &str) -> Option<&'a str> {
    said.lines().find_map(|line| line.strip_prefix(prefix)).map(str::trim)
}

/// `verified sched_switch 4711`
fn verified(said: &str) -> BTreeMap<String, u64> {
    let count = |line: &str| {
        let (name, count) = line.strip_prefix("verified ")?.trim().split_once(' ')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    said.lines().filter_map(count).collect()
}

fn result(said: &str) -> Result<Passed> {
    match (line_after(said, "check: "), release(said)) {
        (Some("passed"), Some(release)) => {
            Ok(Passed { release: release.to_owned(), verified: verified(said) })
        }
        (Some(failed), _) => bail!("{failed}"),
        (None, _) => bail!("the guest ended without a result: {}", said.lines().last().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_a_line_of_its_own() {
        assert_eq!(result("Booting\nkernel 6.1.0\r\ncheck: passed\r\n").unwrap().release, "6.1.0");
        assert_eq!(
            result("kernel 6.1.0\ncheck: failed: reads: 1, not 2\n").unwrap_err().to_string(),
            "failed: reads: 1, not 2"
        );
        let passed = result("kernel 6.1.0\nverified sched_switch 4711\r\nverified\ncheck: passed\n").unwrap();
        assert_eq!(passed.verified, BTreeMap::from([("sched_switch".to_owned(), 4711)]));
        assert!(result("Kernel panic\n").unwrap_err().to_string().ends_with("Kernel panic"));
    }
}
