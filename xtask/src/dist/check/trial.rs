//! What an installed tracer has to do, wherever it was installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::super::VERSION;
use crate::demo::Shop;

/// How long it may take from nothing to the first report.
const MOST: Duration = Duration::from_secs(60);
/// How long it traces.
pub const SECONDS: &str = "5";

/// Programs that build others.
const TOOLCHAIN: [&str; 10] =
    ["cargo", "rustc", "rustup", "rustc-web", "cc", "gcc", "clang", "ld", "bpf-linker", "make"];

/// Nothing of this process's environment, and no folder in which programs are looked for.
pub fn bare(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/nonexistent");
    command
}

/// It knows its version, finds that it will do here, and traces the demo program.
pub fn works(tracer: impl Fn() -> Command, shop: &Shop) -> Result<()> {
    let version = succeed(tracer().arg("--version"))?;
    let version = String::from_utf8_lossy(&version.stdout);
    ensure!(version.trim_end() == format!("tracer {VERSION}"), "it says that it is {version}");
    succeed(tracer().arg("doctor")).context("doctor finds fault with this machine")?;
    let pid = shop.process.id();
    let traced = succeed(tracer().args(["--pid", &pid.to_string(), "--duration", SECONDS, "--json"]))?;
    is_of(&traced.stdout, pid)
}

/// Runs a program, which has to succeed.
pub fn succeed(command: &mut Command) -> Result<Output> {
    let ran = command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(ran.status.success(), "{}: {}", ran.status, String::from_utf8_lossy(&ran.stderr).trim_end());
    Ok(ran)
}

/// Checks whether a report of the demo program has Python, and what happened.
pub fn is_of(report: &[u8], pid: u32) -> Result<()> {
    let report: Value = serde_json::from_slice(report)?;
    let count = |of: &Value| of.as_u64().unwrap_or(0);
    let quality = &report["quality"];
    let lost: u64 = quality["lost"].as_object().into_iter().flatten().map(|(_, hits)| count(hits)).sum();
    ensure!(lost == 0, "{lost} hits were lost");
    ensure!(count(&quality["samples"]["python"]) > 0, "no sample has a Python stack: {}", quality["samples"]);
    ensure!(count(&report["switches"]["voluntary"]) > 0, "no switch was seen");
    let rows = report["reads"].as_array();
    let seen = rows.into_iter().flatten().any(|row| row["path"] == format!("/proc/{pid}/stat"));
    ensure!(seen, "the reads of /proc/{pid}/stat were not seen: {}", report["reads"]);
    Ok(())
}

/// How long it took.
pub fn in_time(begin: Instant) -> Result<Duration> {
    let took = begin.elapsed();
    ensure!(took < MOST, "from nothing to the first report took {took:?}");
    Ok(took)
}

/// What could build programs, in folders that are searched for such.
pub fn toolchain(folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let programs = folders.into_iter().flat_map(|folder| TOOLCHAIN.map(|name| folder.join(name)));
    programs.into_iter().find(|program| program.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_is_noticed() {
        // What compiled this test.
        let cargo = Path::new(env!("CARGO"));
        let folder = cargo.parent().unwrap().to_owned();
        assert_eq!(toolchain(["/nonexistent".into(), folder]).as_deref(), Some(cargo));
        assert_eq!(toolchain(["/nonexistent", "/proc"].map(PathBuf::from)), None);
    }

    #[test]
    fn a_report_without_what_happened_is_refused() {
        let report = |path: &str, lost: u32, python: u32| {
            serde_json::json!({
                "quality": {"lost": {"ring_full": lost}, "samples": {"python": python}},
                "switches": {"voluntary": 3},
                "reads": [{"path": path}],
            })
            .to_string()
        };
        for (what, report, wrong) in [
            ("all is there", report("/proc/7/stat", 0, 9), ""),
            ("another process's reads", report("/proc/8/stat", 0, 9), "the reads of /proc/7/stat"),
            ("losses", report("/proc/7/stat", 2, 9), "2 hits were lost"),
            ("no Python", report("/proc/7/stat", 0, 0), "no sample"),
        ] {
            let said = is_of(report.as_bytes(), 7).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(said.starts_with(wrong) && said.is_empty() == wrong.is_empty(), "{what}: {said}");
        }
    }
}
