//! What a person or a program sees while a run goes on.

use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tracer::event::{Event, Pid};
use tracer::limits;
use tracer::recording::{Recorder, Saved};
use tracer::report::output::OutputError;
use tracer::report::{Ended, Name};
use tracer::roots::Root;
use tracer::session::{Listener, Watch};
use tracer::timeline::Names;
use tracer::units::bytes;

use crate::cli::TraceOptions;
use crate::status::Status;
use crate::stream::Stream;
use crate::writer::StdoutReader;

/// The status line on stderr, and with `--jsonl` the events on stdout.
pub struct Console {
    pub status: Status,
    pub stream: Option<Stream>,
    /// Dropped, it ends the recording.
    pub recorder: Option<Recorder>,
    /// What a flight recorder has saved.
    pub saved: Option<Receiver<Saved>>,
    /// `None` where stdout is not ours.
    reader: Option<StdoutReader>,
}

impl Console {
    /// As the options have it.
    pub fn new(options: &TraceOptions) -> Self {
        let stream = options.jsonl.then(Stream::new);
        let reader = options.output.has_stdout().then(StdoutReader::watch);
        Self { status: Status::new(options.quiet), stream, recorder: None, saved: None, reader }
    }
}

/// How long the last file may take: a minute's writing, and a disk that does not answer is not waited for.
const LAST_FILE: Duration = Duration::from_secs(10);

impl Console {
    /// Says what has been saved; the first that could not be is what the run ends with.
    fn say_saved(&mut self) {
        let saved: Vec<_> = self.saved.iter().flat_map(|saved| saved.try_iter()).collect();
        for Saved { why, path, bytes } in saved {
            match bytes {
                Ok(written) => self.status.say(&saved_line(&why, &path, written)),
                Err(error) => eprintln!("tracer: {error}"),
            }
        }
    }

    /// The same, once all has been written and the recorder is gone.
    ///
    /// # Errors
    /// When the last file cannot be written.
    pub fn say_rest_saved(&mut self) -> Result<(), OutputError> {
        let Some(saved) = self.saved.take() else { return Ok(()) };
        let end = Instant::now() + LAST_FILE;
        while let Ok(Saved { why, path, bytes }) =
            saved.recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            self.status.say(&saved_line(&why, &path, bytes?));
        }
        Ok(())
    }
}

fn saved_line(why: &str, path: &Path, written: u64) -> String {
    let name = Name::new(path.as_os_str().as_encoded_bytes());
    format!("{why}: {} in {name}; try tracer report {name}", bytes(written))
}

impl Listener for Console {
    fn event(&mut self, event: &Event, names: &Names) {
        if let Some(stream) = &mut self.stream {
            stream.event(event, &names.symbols);
        }
    }
}

impl Watch for Console {
    fn attached(&mut self, roots: &[Root], took: Duration) {
        limits::only_watch();
        self.status.attached(roots, took);
    }

    fn joined(&mut self, pid: Pid) {
        self.status.joined(pid);
    }

    fn progress(&mut self, elapsed: Duration, events: u64, lost: u64) {
        self.say_saved();
        self.status.progress(elapsed, events, lost);
    }

    fn caught_up(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.flush();
        }
    }

    fn is_over(&self) -> bool {
        self.reader.as_ref().is_some_and(StdoutReader::is_gone)
            || self.stream.as_ref().is_some_and(Stream::is_over)
            || self.recorder.as_ref().is_some_and(Recorder::has_failed)
    }

    fn recorder(&mut self) -> Option<&mut Recorder> {
        self.recorder.as_mut()
    }

    fn ended(&mut self, why: Ended) {
        self.status.ended(why);
    }
}
