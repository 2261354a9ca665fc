//! `tracer record`: traces, and keeps what is seen.

use tracer::recording::{Recorder, RecordingFile};
use tracer::report::Name;
use tracer::units::bytes;

use super::outputs::Outputs;
use super::trace::{exit_code, watch_targets};
use crate::cli::RecordOptions;
use crate::console::Console;
use crate::failure::Failure;

/// Records until the run ends; the exit code.
pub fn record(options: &RecordOptions) -> Result<u8, Failure> {
    let (path, reports) = options.trace.output.recording().ok_or(Failure::NoRecording)?;
    let outputs = reports.as_ref().map(Outputs::open).transpose()?;
    let (file, end) = RecordingFile::create(&path)?;
    let mut console = Console::new(&options.trace);
    console.recorder = Some(Recorder::new(Box::new(file)));
    let finished = watch_targets(&options.targets, &options.trace, &mut console)?;
    console.recorder = None;
    if let (Some(outputs), Some(options)) = (outputs, &reports) {
        outputs.write(&finished.report, options)?;
    }
    let written = end.wait()?;
    let name = Name::new(path.as_os_str().as_encoded_bytes());
    console.status.say(&format!("{} in {name}; try tracer report {name}", bytes(written)));
    let code = exit_code(&options.trace, &finished.report);
    drop(finished); // detaching may take a while: all has been written
    Ok(code)
}
