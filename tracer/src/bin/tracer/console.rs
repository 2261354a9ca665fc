//! What a person or a program sees while a run goes on.

use std::time::Duration;

use tracer::event::{Event, Pid};
use tracer::limits;
use tracer::recording::Recorder;
use tracer::report::Ended;
use tracer::roots::Root;
use tracer::session::{Listener, Watch};
use tracer::timeline::Names;

use crate::cli::TraceOptions;
use crate::saved_files::SavedFiles;
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
    pub saved: Option<SavedFiles>,
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
        self.saved.iter_mut().for_each(|saved| saved.say(&self.status));
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
