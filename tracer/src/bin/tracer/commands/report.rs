//! `tracer report`: the report of a recording.

use tracer::recording::{Damage, Reader};
use tracer::session::{Replayed, replay};
use tracer::units::{bytes, counted};

use super::export::act_for_caller;
use super::outputs::Outputs;
use crate::cli::ReportOptions;
use crate::failure::Failure;

/// Shows it, and says what was missing.
pub fn report(options: &ReportOptions) -> Result<u8, Failure> {
    act_for_caller()?;
    let recording = Reader::open(&options.recording)?;
    let outputs = Outputs::open(&options.output)?;
    std::panic::set_hook(Box::new(|_| {})); // what stops at a contradiction is in the error
    let Replayed { report, damage, is_cut, rows } = replay(recording, &options.view())?;
    drop(std::panic::take_hook());
    if let Some(missing) = missing(damage, is_cut) {
        eprintln!("tracer: {missing}");
    }
    if rows == 0 && !report.window.chosen.is_empty() {
        eprintln!("tracer: nothing of the recording matches {}", report.window.chosen.join("; "));
    }
    outputs.write(&report, &options.output)?;
    Ok(0)
}

fn missing(damage: Damage, is_cut: bool) -> Option<String> {
    let skipped = format!(
        "what is damaged is left out: {}, and {}",
        bytes(damage.bytes),
        counted(damage.records, "record")
    );
    match (damage.is_none(), is_cut) {
        (true, false) => None,
        (true, true) => Some("the recording ends before the run did".to_owned()),
        (false, false) => Some(skipped),
        (false, true) => Some(format!("the recording ends before the run did; {skipped}")),
    }
}
