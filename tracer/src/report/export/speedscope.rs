//! speedscope's own format: one profile for each measure, all with the same frames.
//!
//! <https://github.com/jlfwong/speedscope/blob/v1.25.0/src/lib/file-format-spec.ts>

use serde::Serialize;

use super::interned::Interned;
use super::weights::{Label, Measure, weights};
use crate::report::Report;

const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(rename = "$schema")]
    schema: &'static str,
    exporter: String,
    name: String,
    active_profile_index: usize,
    shared: Shared,
    profiles: Vec<Profile>,
}

#[derive(Serialize)]
struct Shared {
    frames: Vec<Frame>,
}

#[derive(Serialize)]
struct Frame {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    unit: &'static str,
    start_value: u64,
    end_value: u64,
    samples: Vec<Vec<usize>>,
    weights: Vec<u64>,
}

/// The whole file.
pub fn write(report: &Report) -> Vec<u8> {
    let mut frames = Interned::default();
    let profiles = Measure::ALL.map(|of| profile(report, of, &mut frames));
    let file = File {
        schema: SCHEMA,
        exporter: format!("tracer {}", env!("CARGO_PKG_VERSION")),
        name: format!("tracer, {}", crate::units::duration(report.window.duration_ns)),
        active_profile_index: 0,
        shared: Shared { frames: frames.into_values().into_iter().map(Frame::from).collect() },
        profiles: profiles.into(),
    };
    serde_json::to_vec(&file).expect("every key is a string")
}

fn profile(report: &Report, of: Measure, frames: &mut Interned<Label>) -> Profile {
    let (mut samples, mut values) = (Vec::new(), Vec::new());
    for weight in weights(report, of) {
        samples.push(weight.labels().into_iter().map(|label| frames.number(label)).collect());
        values.push(weight.value);
    }
    Profile {
        kind: "sampled",
        name: of.title(),
        unit: unit(of),
        start_value: 0,
        end_value: values.iter().sum(),
        samples,
        weights: values,
    }
}

fn unit(of: Measure) -> &'static str {
    match of {
        Measure::Cpu => "none",
        Measure::OffCpu | Measure::Gil => "nanoseconds",
        Measure::Reads => "bytes",
    }
}

impl From<Label> for Frame {
    fn from(label: Label) -> Self {
        Self { name: label.name, file: label.file, line: label.line }
    }
}
