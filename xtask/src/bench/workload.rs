//! The programs that are traced: Python, beside this crate's sources.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::tree;

/// A program that is ready, and does nothing yet.
pub struct Workload {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// What to trace: its processes, itself first, or those that it names instead.
    pub pids: Vec<u32>,
}

/// What it did.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Done {
    /// In units of its own.
    pub done: f64,
    /// In this time.
    pub wall_s: f64,
    /// On a CPU.
    pub cpu_s: f64,
    /// Units a second in the fastest piece of 20 ms.
    pub fastest: f64,
    /// Seconds by function, where it counted them.
    pub truth: BTreeMap<String, f64>,
}

impl Workload {
    /// Starts a program, which finds modules in `packages` too, and waits until it is ready.
    pub fn start(python: &Path, arguments: &[&str], packages: &[PathBuf]) -> Result<Self> {
        let folder = tree::root().join("xtask/bench");
        let mut command = Command::new(python);
        let module_path = env::join_paths(packages).context("no package's folder has a colon in its name")?;
        command
            .env("PYTHONPATH", module_path)
            .arg("-B")
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {}", python.display()))?;
        let lines = BufReader::new(child.stdout.take().context("its output is ours")?);
        let mut workload = Self { pids: vec![child.id()], child, lines };
        loop {
            let line = workload.line()?;
            if line == "ready" {
                return Ok(workload);
            }
            let (what, pids) = line.split_once(' ').unwrap_or_default();
            if what == "target" {
                workload.pids.clear();
            }
            workload.pids.extend(pids.split(' ').filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let bytes = self.lines.read_line(&mut line).context("cannot read what a workload says")?;
        ensure!(bytes > 0, "a workload ended early");
        Ok(line.trim_end().to_owned())
    }

    /// Lets it work; what it did.
    pub fn work(&mut self, seconds: f64) -> Result<Done> {
        let input = self.child.stdin.as_mut().context("its input is ours")?;
        writeln!(input, "go {seconds}").context("a workload does not listen")?;
        let line = self.line()?;
        serde_json::from_str(&line).with_context(|| format!("cannot understand {line}"))
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        drop(self.child.stdin.take()); // it ends at the end of its input
        let _ = self.child.wait();
    }
}
