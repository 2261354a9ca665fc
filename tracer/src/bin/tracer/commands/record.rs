//! `tracer record`: traces, and keeps what is seen, or the last part of it.

use std::path::Path;

use tracer::recording::{FlightRecorder, Recorder, RecordingEnd, RecordingFile};
use tracer::report::Name;
use tracer::units::bytes;

use super::outputs::Outputs;
use super::trace::{exit_code, watch_targets};
use crate::cli::{FlightPlan, RecordOptions};
use crate::console::Console;
use crate::failure::Failure;
use crate::saved_files::SavedFiles;

/// Records until the run ends; the exit code.
pub fn record(options: &RecordOptions) -> Result<u8, Failure> {
    let flight = options.flight();
    // First of all: it must not end us while we attach.
    flight.iter().try_for_each(|plan| plan.triggers.watch_for_signal()).map_err(Failure::Runtime)?;
    let (path, reports) = options.trace.output.recording().ok_or(Failure::NoRecording)?;
    let outputs = reports.as_ref().map(Outputs::open).transpose()?;
    let mut console = Console::new(&options.trace);
    let (end, triggers) = match flight {
        Some(FlightPlan { length, triggers, most_files }) => {
            let (recorder, saved) = FlightRecorder::start(&path, length, most_files)?;
            console.recorder = Some(Recorder::new(Box::new(recorder)));
            console.saved = Some(SavedFiles::new(saved));
            (None, Some(triggers))
        }
        None => {
            let (file, end) = RecordingFile::create(&path)?;
            console.recorder = Some(Recorder::new(Box::new(file)));
            (Some(end), None)
        }
    };
    let finished = watch_targets(&options.targets, &options.trace, triggers, &mut console)?;
    console.recorder = None;
    if let (Some(outputs), Some(options)) = (outputs, &reports) {
        outputs.write(&finished.report, options)?;
    }
    console.saved.take().map_or(Ok(()), |saved| saved.say_rest(&console.status))?;
    end.map_or(Ok(()), |end| say_written(&console, &path, end))?;
    let code = exit_code(&options.trace, &finished.report);
    drop(finished); // detaching may take a while: all has been written
    Ok(code)
}

fn say_written(console: &Console, path: &Path, end: RecordingEnd) -> Result<(), Failure> {
    let written = end.wait()?;
    let name = Name::new(path.as_os_str().as_encoded_bytes());
    console.status.say(&format!("{} in {name}; try tracer report {name}", bytes(written)));
    Ok(())
}
