//! Where the report goes, and as what: options of every command that shows one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use tracer::report::Format;
use tracer::report::export::Measure;

use super::{Color, values};
use crate::failure::Failure;

/// Where the report goes, and as what.
#[derive(Clone, Debug, Args)]
pub struct OutputOptions {
    /// Show every row of the text report, not only the most important ones
    #[arg(hide_short_help = true, long)]
    pub full: bool,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,

    /// Write the report to a file, as its extension says
    ///
    /// `-` is stdout. Given several times, it writes several files of one run.
    #[arg(short, long, value_name = "FILE")]
    output: Vec<PathBuf>,

    /// Format of the report, regardless of the file's extension
    ///
    /// text, json, jsonl, html, markdown, flamegraph, collapsed, speedscope, pprof, perfetto, or the extension of such
    /// files: txt, json, jsonl, html, md, svg, collapsed, speedscope.json, pb.gz, pftrace. Of several formats, each adds
    /// its own extension to the name: `-o run -f json,text` writes run.json and run.txt.
    #[arg(hide_short_help = true, short, long, value_name = "FORMAT", value_delimiter = ',', conflicts_with = "json", value_parser = values::format)]
    format: Vec<Format>,

    /// What a flame graph and collapsed stacks are of: cpu (samples), off-cpu (time), gil (time), reads (bytes)
    #[arg(hide_short_help = true, long, value_name = "WHAT", default_value = "cpu", value_parser = values::measure)]
    pub of: Measure,

    /// When to use colour
    #[arg(hide_short_help = true, long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// One place that the report goes to.
#[derive(Debug, PartialEq, Eq)]
pub struct OutputFile {
    /// A file, or `-`.
    pub path: PathBuf,
    /// The format, if that was said.
    pub format: Option<Format>,
}

impl OutputOptions {
    /// Every place that the report goes to.
    pub fn places(&self) -> Result<Vec<OutputFile>, Failure> {
        let files = if self.output.is_empty() { &[PathBuf::from("-")][..] } else { &self.output };
        match &self.formats()[..] {
            several @ [_, _, ..] if !files.iter().any(|file| is_stdout(file)) => Ok(files
                .iter()
                .flat_map(|file| several.iter().map(|&format| with_ending(file, format)))
                .collect()),
            [_, _, ..] => Err(Failure::ManyFormats),
            one => {
                let place = |path: &PathBuf| OutputFile { path: path.clone(), format: one.first().copied() };
                Ok(files.iter().map(place).collect())
            }
        }
    }

    /// Whether stdout is one of them.
    pub fn has_stdout(&self) -> bool {
        self.output.is_empty() || self.output.iter().any(|file| is_stdout(file))
    }

    /// The recording among the files, and where the report goes beside it, if that was asked for.
    pub fn recording(&self) -> Option<(PathBuf, Option<Self>)> {
        let mut reports = self.clone();
        let at =
            reports.output.iter().position(|file| file.extension().is_some_and(|ending| ending == "trc"))?;
        let recording = reports.output.remove(at);
        let asked = !reports.output.is_empty() || !reports.formats().is_empty();
        Some((recording, asked.then_some(reports)))
    }

    fn formats(&self) -> Vec<Format> {
        if self.json { vec![Format::Json] } else { self.format.clone() }
    }
}

fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn with_ending(path: &Path, format: Format) -> OutputFile {
    let mut name = OsString::from(path);
    name.push(format.ending());
    OutputFile { path: name.into(), format: Some(format) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::parse;

    fn places(line: &str) -> Option<Vec<(String, Option<Format>)>> {
        let options = parse(&format!("tracer -p 1 {line}")).ok()?.trace.output;
        let shown = |place: OutputFile| (place.path.display().to_string(), place.format);
        Some(options.places().ok()?.into_iter().map(shown).collect())
    }

    #[test]
    fn a_file_has_the_format_that_was_said_or_its_extension() {
        let (text, json) = (Some(Format::Text), Some(Format::Json));
        for (line, expected) in [
            ("", Some(vec![("-", None)])),
            ("--json", Some(vec![("-", json)])),
            ("-f json", Some(vec![("-", json)])),
            ("-o a.json", Some(vec![("a.json", None)])),
            ("-o a --json", Some(vec![("a", json)])),
            ("-o a.txt -o - -o b.json", Some(vec![("a.txt", None), ("-", None), ("b.json", None)])),
            ("-o a -f text,json", Some(vec![("a.txt", text), ("a.json", json)])),
            ("-o a -f text -f json", Some(vec![("a.txt", text), ("a.json", json)])),
            ("-f text,json", None),
            ("-f text,json -o -", None),
            ("-f heat", None),
            ("-f text --json", None),
        ] {
            let expected = expected.map(|places| {
                places.into_iter().map(|(path, format)| (path.to_owned(), format)).collect::<Vec<_>>()
            });
            assert_eq!(places(line), expected, "{line}");
        }
    }

    #[test]
    fn a_recording_is_one_of_the_files() {
        for (line, expected) in [
            ("-o a.trc", Some(None)),
            ("-o a.trc --json", Some(Some(vec!["-"]))),
            ("-o a.txt -o a.trc", Some(Some(vec!["a.txt"]))),
            ("-o a.json", None),
            ("", None),
        ] {
            let options = parse(&format!("tracer -p 1 {line}")).unwrap().trace.output;
            let found = options.recording().map(|(path, reports)| {
                assert_eq!(path, Path::new("a.trc"), "{line}");
                let places = reports.map(|reports| reports.places().ok().unwrap());
                places
                    .map(|places| places.into_iter().map(|place| place.path.display().to_string()).collect())
            });
            let expected = expected
                .map(|places| places.map(|places| places.into_iter().map(str::to_owned).collect::<Vec<_>>()));
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn stdout_is_ours_unless_all_goes_to_files() {
        for (line, expected) in [("", true), ("-o a.txt", false), ("-o -", true), ("-o a.txt -o -", true)] {
            let options = parse(&format!("tracer -p 1 {line}")).unwrap().trace.output;
            assert_eq!(options.has_stdout(), expected, "{line}");
        }
    }
}
