//! One boot of a guest: all that it says comes over its serial line.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::emulator::Emulator;

/// The whole check takes half a minute where nothing accelerates the guest.
const LIMIT_SECONDS: &str = "240";

/// Boots the kernel on the image, and waits for what the check says; returns the kernel's release.
pub fn run(emulator: &Emulator, kernel: &Path, parameters: &str, image: &Path) -> Result<String> {
    result(&boot(emulator, kernel, parameters, image)?)
}

fn boot(emulator: &Emulator, kernel: &Path, parameters: &str, image: &Path) -> Result<String> {
    let output = emulator
        .program("timeout")
        .args([LIMIT_SECONDS, "qemu-system-x86_64", "-cpu", "max", "-smp", "2", "-m", "2048"])
        .args(["-nographic", "-no-reboot", "-net", "none"])
        .args(["-append", &format!("console=ttyS0 quiet panic=-1 oops=panic {parameters}")])
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

fn result(said: &str) -> Result<String> {
    match (line_after(said, "check: "), release(said)) {
        (Some("passed"), Some(release)) => Ok(release.to_owned()),
        (Some(failed), _) => bail!("{failed}"),
        (None, _) => bail!("the guest ended without a result: {}", said.lines().last().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_a_line_of_its_own() {
        assert_eq!(result("Booting\nkernel 6.1.0\r\ncheck: passed\r\n").unwrap(), "6.1.0");
        assert_eq!(
            result("kernel 6.1.0\ncheck: failed: reads: 1, not 2\n").unwrap_err().to_string(),
            "failed: reads: 1, not 2"
        );
        assert!(result("Kernel panic\n").unwrap_err().to_string().ends_with("Kernel panic"));
    }
}
