//! One turn of one contender.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

use super::accuracy;
use super::cases::Case;
use super::contender::Contender;
use super::peers::Peers;
use super::usage::{Ticks, Usage};
use super::workload::{Done, Workload};
use crate::{packages, pythons};

/// How long peers, which do not say when they are attached, are given for it.
const SETTLE: Duration = Duration::from_millis(1_000);
/// How long a contender may take to stop.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a program does the first time only, it does before it is measured.
const WARM_UP: Duration = Duration::from_millis(200);

/// What was seen in one turn; `None` where it does not apply.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Units of work a second.
    pub throughput: f64,
    /// Units of work a second of CPU time: what others do on the machine matters less.
    pub per_cpu_s: f64,
    /// Of that CPU time, what was spent in the kernel.
    pub system_share: f64,
    /// Ticks that all CPUs of the machine were busy for a unit of work, with all processes.
    pub host_per_unit: f64,
    /// Units of work a second in the fastest piece of 20 ms. What a contender does once in a second is not in it.
    pub fastest: f64,
    /// CPUs that the contender kept busy.
    pub cores: Option<f64>,
    /// Most of its memory that was resident.
    pub peak_bytes: Option<u64>,
    /// From its start until it counted; of a dump, to its end.
    pub attached_ms: Option<f64>,
    /// From its start until the first sample of a target that keeps a CPU busy, at most: one comes each period.
    pub first_sample_ms: Option<f64>,
    /// From the end of its window until it had ended.
    pub report_ms: Option<f64>,
    /// Total variation distance from the truth, beside what ideal sampling would be off by.
    pub distance: Option<(f64, f64)>,
    /// Our report.
    pub report: Option<Value>,
}

/// What the contenders are measured on, in turn: the same processes, since two of the same program differ by more than what
/// is to be seen.
pub struct Subject {
    target: Workload,
    neighbour: Option<Workload>,
}

impl Subject {
    /// Starts a case's programs, and has them do what they do the first time only.
    pub fn start(case: &Case, python: &Path) -> Result<Self> {
        let packages = packages::folders(&pythons::packages(), case.minor, case.packages);
        let target = Workload::start(python, case.target, &packages)?;
        let neighbour = case.neighbour.map(|name| Workload::start(python, &[name], &[])).transpose()?;
        let mut subject = Self { target, neighbour };
        subject.measured().work(WARM_UP.as_secs_f64())?;
        Ok(subject)
    }

    /// Whose work is counted.
    fn measured(&mut self) -> &mut Workload {
        self.neighbour.as_mut().unwrap_or(&mut self.target)
    }
}

/// Attaches to the target, lets it work, stops.
pub fn run(
    subject: &mut Subject,
    contender: Contender,
    peers: &Peers,
    folder: &Path,
    seconds: f64,
) -> Result<Round> {
    let output = folder.join("output");
    let _ = std::fs::remove_file(&output);
    let command = contender.command(peers, &subject.target.pids, &output);
    if contender.is_a_dump() {
        return dump(command.context("a dump has a command")?);
    }
    let mut tracing = command.map(|command| Tracing::start(command, contender)).transpose()?;
    let before = tracing.as_ref().map(Tracing::usage);
    let (began, ticks) = (Instant::now(), Ticks::now(&subject.measured().pids));
    let done = subject.measured().work(seconds)?;
    let (lasted, ticks) = (began.elapsed(), Ticks::now(&subject.measured().pids).since(&ticks));
    let after = tracing.as_ref().map(Tracing::usage);
    let mut round = Round {
        throughput: done.done / done.wall_s,
        per_cpu_s: done.done / done.cpu_s,
        // The kernel knows the sum well, and how it divides by the tick.
        system_share: ticks.system_share(),
        host_per_unit: ticks.host / done.done,
        fastest: done.fastest,
        attached_ms: tracing.as_ref().and_then(|tracing| tracing.attached_ms),
        ..Round::default()
    };
    if let (Some(before), Some(after)) = (before, after) {
        round.cores = Some((after.cpu - before.cpu).as_secs_f64() / lasted.as_secs_f64());
        round.peak_bytes = Some(after.peak_bytes);
    }
    if let Some(tracing) = &mut tracing {
        round.report_ms = Some(tracing.stop()?);
        round.judge(&done, contender, &output);
        round.first_sample_ms = round.report.as_ref().and_then(|report| tracing.first_sample_ms(report));
    }
    Ok(round)
}

/// How long a command takes that ends by itself.
fn dump(mut command: Command) -> Result<Round> {
    let began = Instant::now();
    let output = command.output().context("cannot run a contender")?;
    if !output.status.success() {
        bail!("{} failed: {}", command.get_program().display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(Round { attached_ms: Some(milliseconds(began.elapsed())), ..Round::default() })
}

impl Round {
    fn judge(&mut self, done: &Done, contender: Contender, output: &Path) {
        let samples = accuracy::samples(contender.output(), output, &done.truth);
        let taken = samples.values().sum();
        self.distance = accuracy::distance(&done.truth, &samples)
            .map(|distance| (distance, accuracy::ideal(&done.truth, taken)));
        if let Contender::Tracer(_) = contender {
            self.report =
                std::fs::read_to_string(output).ok().and_then(|text| serde_json::from_str(&text).ok());
        }
    }
}

/// A contender at work.
struct Tracing {
    child: Child,
    /// Milliseconds of `CLOCK_MONOTONIC`.
    began_ms: f64,
    attached_ms: Option<f64>,
}

impl Tracing {
    fn start(mut command: Command, contender: Contender) -> Result<Self> {
        let ours = matches!(contender, Contender::Tracer(_));
        let stderr = if ours { Stdio::piped() } else { Stdio::null() };
        // Signals are to stop them as Ctrl-C does.
        command.stdin(Stdio::null()).stdout(File::create("/dev/null")?).stderr(stderr);
        let (began, began_ms) = (Instant::now(), monotonic_ms());
        let mut child =
            command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let mut attached_ms = None;
        match child.stderr.take() {
            Some(stderr) => {
                let mut lines = BufReader::new(stderr);
                let mut line = String::new();
                lines.read_line(&mut line).context("cannot read what the tracer says")?;
                if !line.contains("attached") {
                    bail!("the tracer did not attach: {line}");
                }
                attached_ms = Some(milliseconds(began.elapsed()));
                thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
            }
            None => thread::sleep(SETTLE),
        }
        if let Some(status) = child.try_wait().context("cannot look after a contender")? {
            bail!("{} ended early, with {status}", contender.name());
        }
        Ok(Self { child, began_ms, attached_ms })
    }

    /// The window begins when the kernel begins to count.
    fn first_sample_ms(&self, report: &Value) -> Option<f64> {
        let start_ns = report.pointer("/window/start_monotonic_ns")?.as_f64()?;
        let rate_hz = report.pointer("/frames/rate_hz")?.as_f64().filter(|&rate| rate > 0.0)?;
        Some(start_ns / 1e6 - self.began_ms + 1e3 / rate_hz)
    }

    fn usage(&self) -> Usage {
        Usage::new(self.child.id())
    }

    /// Interrupts it, and all that a launcher started; how long it took to end, in milliseconds.
    fn stop(&mut self) -> Result<f64> {
        let began = Instant::now();
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).context("cannot stop a contender")?;
        while self.child.try_wait().context("cannot wait for a contender")?.is_none() {
            if began.elapsed() > PATIENCE {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(milliseconds(began.elapsed()))
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn monotonic_ms() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
