//! The tracer, run as users run it.

use std::ffi::OsStr;
use std::io::Read;
use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};

use super::program::only_child;
use super::signals::as_a_shell_would;
use super::{Report, Status, until};

/// A running tracer; it ends with this value.
pub struct Tracer {
    child: Child,
    /// The process that traces: the child, or a child of that.
    pid: u32,
    stdout: Stream,
    stderr: Stream,
}

/// A tracer that has ended.
#[derive(Debug)]
pub struct Run {
    /// Exit code, as a shell has it: 128 + the number for a death by signal.
    pub code: i32,
    /// All of it.
    pub stdout: String,
    /// All of it.
    pub stderr: String,
}

impl Tracer {
    /// Attaches with `--json` and waits until it says that it traces.
    pub fn attach(pid: u32, flags: &[&str]) -> Self {
        let tracer = Self::start(json(pid, flags));
        tracer.until_attached();
        tracer
    }

    /// The same from where a process sees its own pid namespace and its own files, with our rights.
    pub fn attach_beside(program: u32, pid: u32, flags: &[&str]) -> Self {
        let mut command = Command::new("nsenter");
        command.args(["--target", &program.to_string(), "--pid", "--mount"]);
        let mut tracer = Self::spawn(command.arg(env!("CARGO_BIN_EXE_tracer")).args(json(pid, flags)));
        tracer.until_attached();
        tracer.pid = only_child(tracer.pid);
        tracer
    }

    /// Starts it with these arguments, and does not wait.
    pub fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_tracer")).args(arguments))
    }

    /// Starts a command that becomes the tracer.
    pub fn spawn(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = as_a_shell_would(command).spawn().expect("the tracer was built");
        let stdout = Stream::new(child.stdout.take().expect("stdout is piped"));
        let stderr = Stream::new(child.stderr.take().expect("stderr is piped"));
        Self { pid: child.id(), child, stdout, stderr }
    }

    /// Waits until it says that it traces.
    pub fn until_attached(&self) {
        until("`attached`, or the end of the tracer", || self.has_attached());
    }

    /// Waits until it has read all that it was sent: it sleeps whenever we check, then.
    pub fn until_it_rests(&self) {
        const ATTEMPTS: u32 = 20;
        let mut rested = 0;
        let rests = || {
            let is_asleep = Status::new(self.pid).is_some_and(|status| status.state() == 'S');
            rested = if is_asleep { rested + 1 } else { 0 };
            (rested == ATTEMPTS).then_some(())
        };
        until("the tracer to rest", rests);
    }

    /// Waits until this stands on its stderr, where also what it runs may write.
    pub fn until_stderr_has(&self, words: &str) {
        until(words, || self.stderr.so_far().contains(words).then_some(()));
    }

    /// Panics when it has ended instead.
    fn has_attached(&self) -> Option<()> {
        if self.stderr.so_far().contains("attached") {
            return Some(());
        }
        assert!(!self.stderr.is_over(), "the tracer ended before it attached: {}", self.stderr.so_far());
        None
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid.cast_signed()).expect("no process has the id 0");
        kill_process(pid, signal).expect("a child that was not waited for has its pid");
    }

    /// Ctrl-C, and what came of it.
    pub fn stop(self) -> Run {
        self.signal(Signal::INT);
        self.end()
    }

    /// Waits until it ends by itself.
    pub fn end(mut self) -> Run {
        let pid = self.pid();
        let status =
            until(&format!("the end of tracer {pid}"), || self.child.try_wait().expect("it is our child"));
        let code = status.code().or_else(|| {
            use std::os::unix::process::ExitStatusExt;
            status.signal().map(|signal| 128 + signal)
        });
        Run {
            code: code.expect("a process that ended has a code or a signal"),
            stdout: self.stdout.whole(),
            stderr: self.stderr.whole(),
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the tracer until it ends by itself.
pub fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Run {
    Tracer::start(arguments).end()
}

/// Without a budget, unless the flags set one: on a busy machine it would give up what a test checks.
fn json(pid: u32, flags: &[&str]) -> Vec<String> {
    let pid = pid.to_string();
    let fixed = ["--json", "--pid", &pid];
    let budget = if flags.contains(&"--budget") { &[][..] } else { &["--budget", "off"] };
    [&fixed, budget, flags].concat().into_iter().map(str::to_owned).collect()
}

impl Run {
    /// The report, whose sums add up.
    #[track_caller]
    pub fn report(&self) -> Report {
        let value = serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("stdout is no JSON ({error}), exit code {}: {}", self.code, self.stderr)
        });
        let report = Report(value);
        report.assert_laws();
        report
    }

    /// The report of a run that went well and missed nothing.
    #[track_caller]
    pub fn exact(&self) -> Report {
        self.exact_with(0)
    }

    /// The same, where the exit code is another's: that of the command that was run.
    #[track_caller]
    pub fn exact_with(&self, code: i32) -> Report {
        let report = self.report();
        assert_eq!((report.lost(), report.records_lost()), (0, 0), "lost: {}", report["quality"]);
        assert_eq!(self.code, code, "{}", self.stderr);
        report
    }
}

/// What a process writes, read as it comes, so that it never waits for us.
struct Stream {
    text: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Stream {
    fn new(mut source: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(bytes @ 1..) = source.read(&mut piece) {
                sink.lock().expect("no reader panics").extend_from_slice(&piece[..bytes]);
            }
        });
        Self { text, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(self.text.lock().expect("no reader panics").deref()).into_owned()
    }

    fn is_over(&self) -> bool {
        self.reader.is_finished()
    }

    /// Once the process has ended.
    fn whole(&self) -> String {
        until("the end of a stream", || self.is_over().then_some(()));
        self.so_far()
    }
}
