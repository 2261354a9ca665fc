//! A report that was saved, read back.

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::output::plain;
use super::{Name, Report};

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
    if path.as_os_str() != "-" {
        return std::fs::read(path);
    }
    let mut json = Vec::new();
    io::stdin().lock().read_to_end(&mut json)?;
    Ok(json)
}

fn parse(json: &[u8]) -> serde_json::Result<Report> {
    serde_json::from_slice(json).or_else(|error| {
        let last = json.trim_ascii_end().rsplit(|byte| *byte == b'\n').next();
        last.and_then(|line| serde_json::from_slice(line).ok()).ok_or(error)
    })
}

#[cfg(test)]
mod tests {
    use super::super::json::{Layout, to_event, to_string};
    use super::*;

    #[test]
    fn a_report_comes_back_as_it_was_saved() {
        let report = Report::default();
        let stream = format!("{{\"kind\": \"exit\"}}\n{}", to_event(&report));
        for json in [to_string(&report, Layout::Compact), to_string(&report, Layout::Pretty), stream] {
            assert_eq!(parse(json.as_bytes()).unwrap(), report);
        }
    }

    #[test]
    fn what_is_no_report_is_told_in_one_line() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("report.json");
        for (json, said) in [
            ("", "EOF while parsing"),
            ("{}", "missing field `schema`"),
            (r#"{"schema": "tracer.report/2"}"#, "expected tracer.report/1"),
            ("{\n\"\x1b\n", "control character"),
        ] {
            std::fs::write(&path, json).unwrap();
            let told = read(&path).unwrap_err().to_string();
            assert!(told.contains(said) && !told.contains('\n'), "{told}");
        }
        let told = read(&directory.path().join("none.json")).unwrap_err().to_string();
        assert!(told.ends_with("none.json: no such file or directory; try the file that -o FILE.json wrote"));
    }
}
