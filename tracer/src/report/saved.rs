//! A report that was saved, read back.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::output::plain;
use super::{Name, Report, sanitize};

/// Largest report that is read. One that was written has 16 MiB of long names, and its rows.
const LARGEST: u64 = 32 << 20;

/// Why a saved report cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The file does not give its bytes.
    #[error("cannot read {path}: {}; try the file that -o FILE.json wrote", plain(.cause))]
    Read {
        /// As it was asked for.
        path: Name,
        /// What the kernel said.
        cause: io::Error,
    },
    /// They are no report.
    #[error("cannot read {path}: {cause}; try the file that -o FILE.json wrote")]
    NoReport {
        /// As it was asked for.
        path: Name,
        /// Where it differs from one.
        cause: Name,
    },
}

/// The report in a file, `-` being stdin: one object, or what `--jsonl` wrote, whose last line it is.
///
/// # Errors
/// When there is none.
pub fn read(path: &Path) -> Result<Report, SavedError> {
    let name = || Name::new(path.as_os_str().as_bytes());
    let json = bytes(path).map_err(|cause| SavedError::Read { path: name(), cause })?;
    parse(&json).map_err(|cause| SavedError::NoReport { path: name(), cause: cause.to_string().into() })
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        return bounded(io::stdin().lock());
    }
    let mut file = File::open(path)?;
    // Of a stream no more than the last line is needed.
    if let Some(before) = file.metadata()?.len().checked_sub(LARGEST) {
        file.seek(SeekFrom::Start(before))?;
    }
    bounded(file)
}

/// A file may be a device without end.
fn bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut json = Vec::new();
    source.take(LARGEST + 1).read_to_end(&mut json)?;
    if json.len() as u64 > LARGEST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(json) }
}

fn parse(json: &[u8]) -> serde_json::Result<Report> {
    report(json).or_else(|error| {
        let last = json.trim_ascii_end().rsplit(|byte| *byte == b'\n').next();
        last.and_then(|line| report(line).ok()).ok_or(error)
    })
}

/// It may come from anybody: not only its names are made safe.
fn report(json: &[u8]) -> serde_json::Result<Report> {
    serde_json::from_str(&sanitize::json(&String::from_utf8_lossy(json)))
}

#[cfg(test)]
mod tests {
    use super::super::json::{Layout, to_event, to_string};
    use super::super::{Format, View, export::Measure, text};
    use super::*;

    #[test]
    fn a_report_comes_back_as_it_was_saved() {
        let report = Report::default();
        let stream = format!("{{\"kind\": \"exit\"}}\n{}", to_event(&report));
        for json in [to_string(&report, Layout::Compact), to_string(&report, Layout::Pretty), stream] {
            assert_eq!(parse(json.as_bytes()).unwrap(), report);
        }
    }

    /// Whatever its strings are, and whatever it is written as.
    #[test]
    fn a_report_that_somebody_else_wrote_harms_nobody() {
        let evil = "\u{1b}]0;P\u{7}\u{202e}\u{9b}31m\"'></script><script>alert(1)</script>";
        let mut json: serde_json::Value =
            serde_json::from_str(include_str!("testdata/sample.json")).expect("an example");
        spoil(&mut json, evil);
        let report = parse(json.to_string().as_bytes()).expect("these strings may be anything");
        let style = text::Style { color: false, width: 100, full: true };
        let view = View { style, layout: Layout::Compact, of: Measure::default() };
        let binary = [Format::Pprof, Format::Perfetto];
        for format in Format::ALL.iter().filter(|format| !binary.contains(format)) {
            let written = format.write(&report, &view);
            let shown = std::str::from_utf8(&written).expect("these are text");
            assert!(shown.contains("202e"), "{format:?} has none of the names");
            let harmful = |&character: &char| !"\n\t".contains(character) && !is_harmless(character);
            assert_eq!(shown.chars().find(harmful), None, "{format:?}");
            if [Format::Html, Format::FlameGraph].contains(format) {
                assert!(!shown.contains("<script>alert") && !shown.contains("'><"), "{format:?}");
            }
        }
    }

    fn is_harmless(character: char) -> bool {
        let text = character.to_string();
        sanitize::sentence(&text) == text
    }

    /// Appends this to every string that is not one of few words.
    fn spoil(json: &mut serde_json::Value, evil: &str) {
        const FREE: [&str; 13] = [
            "arch", "comm", "file", "function", "kernel", "object", "path", "signal", "syscall", "text",
            "title", "what", "why",
        ];
        match json {
            serde_json::Value::Array(values) => values.iter_mut().for_each(|value| spoil(value, evil)),
            serde_json::Value::Object(values) => values.iter_mut().for_each(|(key, value)| match value {
                serde_json::Value::String(text) if FREE.contains(&key.as_str()) => text.push_str(evil),
                value => spoil(value, evil),
            }),
            _ => {}
        }
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let endless = bounded(io::repeat(b' ')).expect_err("there is no report that large");
        assert_eq!(endless.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn what_is_no_report_is_reported_in_one_line() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("report.json");
        for (json, said) in [
            ("", "EOF while parsing"),
            ("{}", "missing field `schema`"),
            (r#"{"schema": "tracer.report/2"}"#, "expected tracer.report/1"),
            ("{\n\"\x1b\n", "control character"),
        ] {
            std::fs::write(&path, json).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains(said) && !message.contains('\n'), "{message}");
        }
        let message = read(&directory.path().join("none.json")).unwrap_err().to_string();
        assert!(
            message.ends_with("none.json: no such file or directory; try the file that -o FILE.json wrote")
        );
    }
}
