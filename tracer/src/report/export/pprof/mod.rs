//! pprof: one sample for each stack of each measure, with the process, thread and cause as labels.

mod schema;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message as _;

use super::interned::Interned;
use super::weights::{self, Measure, Weight, weights};
use crate::report::Report;
use schema::{Function, Label, Line, Location, Mapping, ValueType};
pub(super) use schema::{Profile, Sample};

/// What is measured, and in what, in this order.
const TYPES: [(&str, &str); 5] = [
    ("samples", "count"),
    ("cpu", "nanoseconds"),
    ("off_cpu", "nanoseconds"),
    ("gil_wait", "nanoseconds"),
    ("read", "bytes"),
];
/// What a viewer shows first.
const FIRST: &str = "cpu";

/// What all places are in: readers look for it, and for addresses to name where it does not say that all have names.
const MAPPING: u64 = 1;

/// The whole profile, compressed.
pub fn write(report: &Report) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    let written = gzip.write_all(&profile(report).encode_to_vec()).and_then(|()| gzip.finish());
    written.expect("memory takes all that is written")
}

fn profile(report: &Report) -> Profile {
    let mut tables = Tables::default();
    tables.string(""); // as the format has it
    let period = period(report);
    let samples = Measure::ALL.into_iter().filter(|measure| *measure != Measure::Gil).flat_map(|measure| {
        weights(report, measure).into_iter().map(move |weight| (values(measure, &weight, period), weight))
    });
    let sample =
        samples.chain(gil_alone(report)).map(|(value, weight)| tables.sample(&weight, value)).collect();
    let types = TYPES.map(|(kind, unit)| tables.value_type(kind, unit));
    Profile {
        sample_type: types.to_vec(),
        sample,
        time_nanos: start(report),
        duration_nanos: report.window.duration_ns.cast_signed(),
        period_type: Some(tables.value_type("cpu", "nanoseconds")),
        period,
        default_sample_type: tables.string(FIRST),
        ..tables.into_profile()
    }
}

/// Nanoseconds from one sample to the next.
fn period(report: &Report) -> i64 {
    1_000_000_000 / report.frames.rate_hz.max(1).cast_signed()
}

/// A wait for the GIL is a part of the time off the CPU: one sample has both.
fn values(measure: Measure, weight: &Weight<'_>, period: i64) -> [i64; TYPES.len()] {
    let value = weight.value.cast_signed();
    match measure {
        Measure::Cpu => [value, value * period, 0, 0, 0],
        Measure::OffCpu if weight.cause == Some("gil") => [0, 0, value, value, 0],
        Measure::OffCpu => [0, 0, value, 0, 0],
        Measure::Gil => [0, 0, 0, value, 0],
        Measure::Reads => [0, 0, 0, 0, value],
    }
}

/// What was waited for the GIL in stacks that are not listed: of the time off the CPU it is listed as omitted, too.
fn gil_alone(report: &Report) -> impl Iterator<Item = ([i64; TYPES.len()], Weight<'_>)> {
    let omitted = weights(report, Measure::Gil).into_iter().filter(|weight| weight.process.is_none());
    omitted.map(|weight| (values(Measure::Gil, &weight, 0), weight))
}

/// Nanoseconds since 1970; 0 where the report does not say.
fn start(report: &Report) -> i64 {
    let start: Option<jiff::Timestamp> = report.window.start.parse().ok();
    start.and_then(|start| start.as_nanosecond().try_into().ok()).unwrap_or(0)
}

/// Strings, functions and places, each written once.
#[derive(Default)]
struct Tables {
    strings: Interned<String>,
    functions: Interned<(String, String)>,
    places: Interned<(u64, u32)>,
}

impl Tables {
    fn string(&mut self, text: &str) -> i64 {
        self.strings.number(text.to_owned()) as i64 // there is no memory for more
    }

    fn value_type(&mut self, kind: &str, unit: &str) -> ValueType {
        ValueType { kind: self.string(kind), unit: self.string(unit) }
    }

    fn sample(&mut self, weight: &Weight<'_>, value: [i64; TYPES.len()]) -> Sample {
        Sample {
            location_id: weight.frames().into_iter().map(|frame| self.place(frame)).collect(),
            value: value.to_vec(),
            label: self.labels(weight),
        }
    }

    /// Ids begin with 1.
    fn place(&mut self, frame: weights::Label) -> u64 {
        let function = self.functions.number((frame.name, frame.file.unwrap_or_default())) as u64 + 1;
        self.places.number((function, frame.line.unwrap_or(0))) as u64 + 1
    }

    fn labels(&mut self, weight: &Weight<'_>) -> Vec<Label> {
        let (process, thread) = (weight.process, weight.thread);
        let numbers = [("pid", process.map(|process| process.pid)), ("tid", thread.map(|thread| thread.tid))];
        let names = [
            ("process", process.and_then(|process| process.comm).map(ToString::to_string)),
            ("thread", thread.and_then(|thread| thread.name).map(ToString::to_string)),
            ("cause", weight.cause.map(str::to_owned)),
        ];
        let numbers = numbers.into_iter().filter_map(|(key, number)| Some((key, number?)));
        let names = names.into_iter().filter_map(|(key, name)| Some((key, name?)));
        let mut labels: Vec<_> = numbers
            .map(|(key, number)| Label { key: self.string(key), num: number.into(), ..Label::default() })
            .collect();
        labels.extend(names.map(|(key, name)| Label {
            key: self.string(key),
            str: self.string(&name),
            num: 0,
        }));
        labels
    }

    fn into_profile(mut self) -> Profile {
        let functions = std::mem::take(&mut self.functions).into_values().into_iter();
        let function = (1..).zip(functions).map(|(id, (name, file))| {
            let name = self.string(&name);
            Function { id, name, system_name: name, filename: self.string(&file) }
        });
        let function = function.collect();
        let location = |(id, (function_id, line))| Location {
            id,
            mapping_id: MAPPING,
            line: vec![Line { function_id, line: i64::from(line) }],
        };
        let filename = self.string("python");
        let named = Mapping {
            has_functions: true,
            has_filenames: true,
            has_line_numbers: true,
            id: MAPPING,
            filename,
        };
        Profile {
            mapping: vec![named],
            function,
            location: (1..).zip(self.places.into_values()).map(location).collect(),
            string_table: self.strings.into_values(),
            ..Profile::default()
        }
    }
}
