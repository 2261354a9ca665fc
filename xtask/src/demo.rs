//! The demo: a small Python program that has something of everything, traced for ten seconds.

use std::io::{BufRead, BufReader};
use std::ops::RangeInclusive;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};

use crate::command::{as_root, output, say};
use crate::tree;

const DURATION: &str = "10s";

/// Minor versions of CPython 3 on which the demo shows all that the tracer can show.
const MINORS: RangeInclusive<u32> = 11..=13;

/// What the tracer printed, and the command line that a person would write.
pub struct Traced {
    /// The command line.
    pub command: String,
    /// The report, in colour.
    pub text: String,
    /// The interpreter.
    pub python: PathBuf,
}

/// Traces the demo program and prints the report; the exit code is the tracer's.
pub fn trace(tracer: &Path) -> Result<ExitCode> {
    let (mut tracer, _shop) = prepare(tracer, &interpreter()?, &program())?;
    Ok(exit_code(tracer.status().context("cannot run the tracer")?))
}

/// Traces the demo program and keeps the report.
pub fn report(tracer: &Path, program: &Path) -> Result<Traced> {
    let python = interpreter()?;
    let (mut tracer, shop) = prepare(tracer, &python, program)?;
    let command = format!("sudo tracer --pid {} --duration {DURATION}", shop.process.id());
    let output = tracer.args(["--color", "always"]).stderr(Stdio::inherit()).output();
    let text = String::from_utf8(output.context("cannot run the tracer")?.stdout)?;
    Ok(Traced { command, text, python: python.into() })
}

/// The tracer as it is to be run, and what it is to trace.
fn prepare(tracer: &Path, python: &str, program: &Path) -> Result<(Command, Shop)> {
    let mut tracer = as_root(tracer)?;
    ignore_interrupt();
    let shop = Shop::open(&mut Command::new(python), program)?;
    say(format!("tracing xtask/demo/busy_shop.py (PID {}, {python}) for {DURATION}", shop.process.id()));
    tracer.args(["--pid", &shop.process.id().to_string(), "--duration", DURATION]);
    Ok((tracer, shop))
}

/// The tracer prints its report on Ctrl-C: xtask has to live on until then, and the shop to stay open.
fn ignore_interrupt() {
    // SAFETY: ignoring a signal runs no code of ours in a handler, and no other thread runs yet.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
}

/// As a shell reports it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// The running demo program. It ends with this value, or as its stdin closes should xtask be killed.
pub struct Shop {
    pub process: Child,
}

impl Shop {
    /// Runs the program by this command, of which the interpreter is the first word or what it becomes.
    pub fn open(python: &mut Command, program: &Path) -> Result<Shop> {
        let process = python
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", python.get_program().display()))?;
        let mut shop = Shop { process };
        let stdout = shop.process.stdout.take().context("cannot read what the demo prints")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).context("cannot read what the demo prints")?;
        ensure!(line.starts_with("ready"), "cannot run the demo: its interpreter ended early");
        Ok(shop)
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // Both fail only if the program has ended by itself, which is as good.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The demo program.
pub fn program() -> PathBuf {
    tree::root().join("xtask/demo/busy_shop.py")
}

fn interpreter() -> Result<String> {
    python().context(
        "cannot run the demo: neither python3 nor /usr/bin/python3 is CPython 3.11 to 3.13; \
         try `apt-get install python3`, or `cargo xtask run -- --pid PID`",
    )
}

/// The interpreter to run the demo: the caller's own if it will do, else Debian's.
fn python() -> Option<String> {
    ["python3", "/usr/bin/python3"].iter().find_map(|candidate| {
        let script = "import sys; print(sys.implementation.name, *sys.version_info[:2], sys.executable)";
        suitable(&output(Command::new(candidate).args(["-c", script]))?).map(str::to_owned)
    })
}

/// The executable in `cpython 3 12 /usr/bin/python3.12`, if this is a version for the demo.
///
/// The executable itself: `python3` may be a script that takes its time to find it.
fn suitable(description: &str) -> Option<&str> {
    let minor_and_executable = description.trim_end().strip_prefix("cpython 3 ")?;
    let (minor, executable) = minor_and_executable.split_once(' ')?;
    MINORS.contains(&minor.parse().ok()?).then_some(executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_cpython_of_the_right_age() {
        for (description, expected) in [
            ("cpython 3 12 /usr/bin/python3.12\n", Some("/usr/bin/python3.12")),
            ("cpython 3 11 /opt/my python/bin/python3\n", Some("/opt/my python/bin/python3")),
            ("cpython 3 10 /usr/bin/python3.10\n", None),
            ("cpython 3 14 /usr/bin/python3.14\n", None),
            ("pypy 3 11 /usr/bin/pypy3\n", None),
            ("", None),
        ] {
            assert_eq!(suitable(description), expected, "{description}");
        }
    }

    #[test]
    fn passes_the_exit_code_on() {
        let code = |raw| format!("{:?}", exit_code(ExitStatus::from_raw(raw)));
        assert_eq!(code(8 << 8), format!("{:?}", ExitCode::from(8)));
        assert_eq!(code(libc::SIGTERM), format!("{:?}", ExitCode::from(143)));
    }
}
