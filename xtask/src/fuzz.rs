//! The fuzz targets: built with libFuzzer by the compiler that is here, run one after the other, and their work added up.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::command::{cargo, isolated, output, run, say};
use crate::{build, tree};

/// What libFuzzer wants to know of the code: which of it ran, and what was compared. As cargo-fuzz has it:
/// <https://github.com/rust-fuzz/cargo-fuzz/blob/0.13.1/src/project.rs>
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
    "-Coverflow-checks",
];

/// No input may take more.
const MEMORY_MB: u32 = 256;
/// Seconds of the clock that no input may take: on a busy machine a second of the CPU's may be several.
const LONGEST: u32 = 5;
/// The same for one that is tried alone.
const LONGEST_ALONE: u32 = 1;

/// What a target has been through so far, in all runs.
#[derive(Default, Serialize, Deserialize)]
struct Total {
    executions: u64,
    seconds: u64,
    /// The most that it held.
    peak_mb: u64,
    /// Inputs that reach different code.
    kept: u64,
}

/// Runs these targets, or all, for so long each.
pub fn fuzz(names: &[String], seconds: u64) -> Result<()> {
    let targets = chosen(names)?;
    build::probes()?;
    let folder = tree::target()?.join("fuzz");
    let programs = build(&folder)?;
    let path = folder.join("totals.json");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let mut totals: BTreeMap<String, Total> = serde_json::from_str(&text).unwrap_or_default();
    for name in &targets {
        say(format!("{name}, for {seconds} s"));
        let said = try_for(&programs, &folder, name, seconds)?;
        totals.entry(name.clone()).or_default().add(&said);
        fs::write(&path, serde_json::to_string_pretty(&totals)?).context("cannot keep the totals")?;
    }
    print!("{}", table(&totals));
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<String>> {
    let folder = tree::root().join("tracer/fuzz/fuzz_targets");
    let files = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let mut all: Vec<_> =
        files.flatten().filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned())).collect();
    all.sort();
    if let Some(name) = names.iter().find(|name| !all.contains(name)) {
        bail!("no target is called {name}; try one of {}", all.join(", "));
    }
    Ok(if names.is_empty() { all } else { names.to_vec() })
}

/// Returns where the programs are.
fn build(folder: &Path) -> Result<PathBuf> {
    let host = output(isolated("rustc").arg("-vV")).unwrap_or_default();
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc prints its host")?;
    let mut cargo = isolated(cargo());
    cargo.args(["build", "--release", "--manifest-path"]).arg(tree::root().join("tracer/fuzz/Cargo.toml"));
    // Where a target is named, build scripts are compiled without the flags.
    cargo.args(["--target", host, "--target-dir"]).arg(folder);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f")).env("TRACER_EBPF_OBJECT", tree::object()?);
    run(&mut cargo)?;
    Ok(folder.join(host).join("release"))
}

/// What libFuzzer says of a target; an input that breaks it is an error.
fn try_for(programs: &Path, folder: &Path, name: &str, seconds: u64) -> Result<String> {
    let (corpus, found) = (folder.join("corpus").join(name), folder.join("found").join(name));
    for folder in [&corpus, &found] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let program = programs.join(name);
    let mut command = limited(&program, LONGEST);
    command.arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1");
    command.arg(format!("-artifact_prefix={}/", found.display()));
    let run = command.arg(&corpus).arg(tree::root().join("tracer/fuzz/corpus").join(name)).output();
    let run = run.with_context(|| format!("cannot run {}", program.display()))?;
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    for input in found.read_dir().into_iter().flatten().flatten() {
        let alone = limited(&program, LONGEST_ALONE).arg(input.path()).stderr(Stdio::null()).status();
        ensure!(alone.is_ok_and(|status| status.success()), "{name} fails with {}", input.path().display());
        say(format!("{name} took long for {}, and does not if it is tried alone", input.path().display()));
    }
    ensure!(run.status.success() || said.contains("ALARM"), "{name} ended with {}:\n{said}", run.status);
    Ok(said)
}

fn limited(program: &Path, longest: u32) -> Command {
    let mut command = Command::new(program);
    command.arg(format!("-timeout={longest}")).arg(format!("-rss_limit_mb={MEMORY_MB}"));
    command
}

impl Total {
    fn add(&mut self, said: &str) {
        let value = |name: &str| {
            let mut lines = said.lines().filter_map(|line| line.strip_prefix(name));
            lines
                .find_map(|rest| rest.trim_start_matches(':').split_whitespace().next()?.parse().ok())
                .unwrap_or(0)
        };
        let executions: u64 = value("stat::number_of_executed_units");
        self.executions += executions;
        self.seconds += said
            .lines()
            .find_map(|line| line.split_once(" runs in ")?.1.split(' ').next()?.parse().ok())
            .unwrap_or(0);
        self.peak_mb = self.peak_mb.max(value("stat::peak_rss_mb"));
        let kept =
            said.lines().rev().find_map(|line| line.split_once("corp: ")?.1.split('/').next()?.parse().ok());
        self.kept = kept.unwrap_or(self.kept);
    }
}

/// In Markdown.
fn table(totals: &BTreeMap<String, Total>) -> String {
    let mut text =
        "| target | executions | seconds | inputs kept | most memory, MB |\n|---|--:|--:|--:|--:|\n"
            .to_owned();
    for (name, total) in totals {
        let Total { executions, seconds, peak_mb, kept } = total;
        text += &format!("| {name} | {executions} | {seconds} | {kept} | {peak_mb} |\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_added_up() {
        let said = "#1048576\tpulse  cov: 311 ft: 1032 corp: 199/14Kb lim: 4096 exec/s: 349525 rss: 46Mb\n\
            #2000000\tDONE   cov: 311 ft: 1032 corp: 201/15Kb lim: 4096 exec/s: 333333 rss: 48Mb\n\
            Done 2000000 runs in 6 second(s)\n\
            stat::number_of_executed_units: 2000000\nstat::peak_rss_mb:              48\n";
        let mut totals = BTreeMap::from([("elf".to_owned(), Total::default())]);
        for _ in 0..2 {
            totals.get_mut("elf").unwrap().add(said);
        }
        let table = table(&totals);
        assert_eq!(table.lines().last(), Some("| elf | 4000000 | 12 | 201 | 48 |"));
    }
}
