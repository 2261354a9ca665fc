//! Hours beside a program of which everything comes and goes: what the tracer holds has to stay as it is.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::bench::Workload;
use crate::command::{is_root, output, say};
use crate::{build, tree};

/// How often it is measured.
const PERIOD: Duration = Duration::from_secs(10);
/// What it may grow by in an hour, in bytes. In less than an hour as much: what is read at one moment is rounded to pages.
const GROWTH: f64 = (1 << 20) as f64;
/// Descriptors that it may have more at the end: those of children that live at that moment.
const DESCRIPTORS: f64 = 8.0;

/// Traces `churn.py` for so many hours. What is seen meanwhile goes to `target/soak/samples.csv`.
pub fn soak(hours: f64, tracer: Option<PathBuf>) -> Result<()> {
    ensure!(is_root(), "cannot trace: that needs root; try sudo");
    let tracer = tracer.map_or_else(build::build, Ok)?;
    let folder = tree::root().join("target/soak");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let found = output(Command::new("python3").args(["-c", "import sys; print(sys.executable)"]));
    let python = found.context("there is no python3; try cargo xtask setup")?;
    let mut target = Workload::start(Path::new(python.trim_end()), &["churn.py"], &[])?;
    let report = folder.join("report.json");
    let mut tracing = Tracing::start(&tracer, target.pids[0], &report)?;
    let seconds = hours * 3600.0;
    say(format!("tracing PID {} for {hours} h: {}", target.pids[0], folder.display()));
    let (samples, done) = thread::scope(|scope| {
        let working = scope.spawn(|| target.work(seconds));
        let samples = watch(tracing.0.id(), &folder, || working.is_finished());
        (samples, working.join().expect("the program's reader does not panic"))
    });
    let (samples, done) = (samples?, done?);
    tracing.stop()?;
    print!("{}", summary(&samples, hours));
    check_report(&report, &done.truth)?;
    check(&samples, hours)
}

/// What the tracer holds at a moment.
#[derive(Clone, Copy, Default)]
struct Sample {
    seconds: f64,
    /// Resident, in bytes; of that what is its own.
    resident: f64,
    own: f64,
    descriptors: f64,
    threads: f64,
    /// What the kernel has for its maps, in bytes, and how many maps and programs these are.
    maps_bytes: f64,
    maps: f64,
    programs: f64,
}

/// Names of what is sampled, and where it is.
type Column = (&'static str, fn(&Sample) -> f64);
const COLUMNS: [Column; 7] = [
    ("resident memory, KiB", |sample| sample.resident / 1024.0),
    ("memory of its own, KiB", |sample| sample.own / 1024.0),
    ("descriptors", |sample| sample.descriptors),
    ("threads", |sample| sample.threads),
    ("maps", |sample| sample.maps),
    ("memory of maps, KiB", |sample| sample.maps_bytes / 1024.0),
    ("programs", |sample| sample.programs),
];

impl Sample {
    /// `None` once it has ended.
    fn read(pid: u32, seconds: f64) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| number(status.lines().find_map(|line| line.strip_prefix(name)));
        let mut sample = Self {
            seconds,
            resident: field("VmRSS:") * 1024.0,
            own: field("RssAnon:") * 1024.0,
            threads: field("Threads:"),
            ..Self::default()
        };
        for info in fs::read_dir(format!("/proc/{pid}/fdinfo")).ok()?.flatten() {
            sample.descriptors += 1.0;
            let info = fs::read_to_string(info.path()).unwrap_or_default();
            let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
            if field("map_id:").is_some() {
                sample.maps += 1.0;
                sample.maps_bytes += number(field("memlock:"));
            }
            // A link has the id of its program as well.
            sample.programs += f64::from(field("prog_id:").is_some() && field("link_id:").is_none());
        }
        Some(sample)
    }
}

/// The first word, if it is a number.
fn number(text: Option<&str>) -> f64 {
    text.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

fn watch(pid: u32, folder: &Path, is_over: impl Fn() -> bool) -> Result<Vec<Sample>> {
    let began = Instant::now();
    let (mut samples, mut csv) = (Vec::new(), "seconds".to_owned());
    COLUMNS.iter().for_each(|(name, _)| _ = write!(csv, ",{}", name.replace(", ", " in ")));
    while !is_over() {
        let sample = Sample::read(pid, began.elapsed().as_secs_f64()).context("the tracer ended early")?;
        _ = write!(csv, "\n{:.0}", sample.seconds);
        COLUMNS.iter().for_each(|(_, value)| _ = write!(csv, ",{:.0}", value(&sample)));
        samples.push(sample);
        fs::write(folder.join("samples.csv"), csv.clone() + "\n").context("cannot keep what was seen")?;
        thread::sleep(PERIOD);
    }
    Ok(samples)
}

/// Medians of the second and of the last sixth: tables fill up at first.
fn begin_and_end(samples: &[Sample], value: fn(&Sample) -> f64) -> (f64, f64) {
    let sixth = samples.len() / 6;
    let median = |part: &[Sample]| {
        let mut values: Vec<_> = part.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    (median(&samples[sixth..2 * sixth]), median(&samples[samples.len() - sixth..]))
}

/// A row for each figure, in Markdown.
fn summary(samples: &[Sample], hours: f64) -> String {
    let mut text =
        format!("{hours} h, {} samples\n\n| | first | second sixth | last sixth | most |\n", samples.len());
    text += "|---|--:|--:|--:|--:|\n";
    for (name, value) in COLUMNS {
        let (begin, end) = begin_and_end(samples, value);
        let most = samples.iter().map(value).fold(0.0, f64::max);
        let first = samples.first().map_or(0.0, value);
        _ = writeln!(text, "| {name} | {first:.0} | {begin:.0} | {end:.0} | {most:.0} |");
    }
    text
}

/// Nothing grows.
fn check(samples: &[Sample], hours: f64) -> Result<()> {
    ensure!(samples.len() >= 12, "cannot judge from {} samples; try more --hours", samples.len());
    let growth = |value| {
        let (begin, end) = begin_and_end(samples, value);
        end - begin
    };
    let allowed = GROWTH * (hours * 2.0 / 3.0).max(1.0);
    for (what, grown, allowed) in [
        ("memory of its own", growth(|sample| sample.own), allowed),
        ("memory of maps", growth(|sample| sample.maps_bytes), allowed),
        ("descriptors", growth(|sample| sample.descriptors), DESCRIPTORS),
        ("maps", growth(|sample| sample.maps), 0.0),
    ] {
        ensure!(grown <= allowed, "{what} grew by {grown} in {hours} h, more than {allowed}");
    }
    Ok(())
}

/// Every hit ended in one place, and each fork was seen.
fn check_report(path: &Path, truth: &std::collections::BTreeMap<String, f64>) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let report: Value = serde_json::from_str(&text).context("the report is no JSON")?;
    let at = |pointer: &str| report.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let lost = report.pointer("/quality/lost").and_then(Value::as_object).context("it says what was lost")?;
    let lost: u64 = lost.values().filter_map(Value::as_u64).sum();
    let ended = at("/quality/filtered") + at("/quality/emitted") + at("/quality/aggregated") + lost;
    ensure!(at("/quality/hits") == ended, "{} hits, of which {ended} ended", at("/quality/hits"));
    let forked = truth["forks"] + truth["programs"];
    println!(
        "\n{} hits, {lost} lost; {} forks reported of {forked}; {truth:?}",
        ended,
        at("/processes/forked")
    );
    ensure!(at("/processes/forked") as f64 == forked, "{forked} forks");
    Ok(())
}

/// The tracer, which ends with this value.
struct Tracing(Child);

impl Tracing {
    /// Attaches, and writes its report to a file.
    fn start(tracer: &Path, pid: u32, report: &Path) -> Result<Self> {
        let mut command = Command::new(tracer);
        let file = File::create(report).with_context(|| format!("cannot write {}", report.display()))?;
        command.args(["--json", "--pid", &pid.to_string()]).stdin(Stdio::null()).stdout(file);
        let mut child = command.stderr(Stdio::piped()).spawn().context("cannot run the tracer")?;
        let mut lines = BufReader::new(child.stderr.take().context("its stderr is ours")?);
        let tracing = Self(child);
        let mut line = String::new();
        lines.read_line(&mut line).context("cannot read what the tracer says")?;
        ensure!(line.contains("attached"), "the tracer did not attach: {line}");
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::stderr()));
        Ok(tracing)
    }

    fn stop(&mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.0), Signal::INT).context("the tracer ended early")?;
        let status = self.0.wait().context("cannot wait for the tracer")?;
        ensure!(status.success(), "the tracer ended with {status}");
        Ok(())
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
