//! What a report can be written as. A new format is one entry here, and a file in `export` that writes it.

use std::path::Path;
use std::str::FromStr;

use super::export::{Measure, collapsed, flame, lines, markdown, perfetto, pprof, speedscope};
use super::{Report, html, json, text};

/// How a report is laid out, where its format leaves a choice.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Of text.
    pub style: text::Style,
    /// Of JSON.
    pub layout: json::Layout,
    /// What a flame graph and collapsed stacks are of.
    pub of: Measure,
}

/// Declares the formats: what each is for, its name for `-f`, how the name of such a file ends, and who writes it.
macro_rules! formats {
    ($($(#[doc = $about:literal])+ $variant:ident = $name:literal, $ending:literal, $write:expr;)+) => {
        /// What a report is written as.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Format {
            $($(#[doc = $about])+ $variant,)+
        }

        impl Format {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// What it is called.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// How the names of its files end.
            #[must_use]
            pub fn ending(self) -> &'static str {
                match self {
                    $(Self::$variant => $ending,)+
                }
            }

            /// What it is for.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($about),+).trim_ascii(),)+
                }
            }

            /// The whole report in this format.
            #[must_use]
            pub fn write(self, report: &Report, view: &View) -> Vec<u8> {
                match self {
                    $(Self::$variant => $write(report, view),)+
                }
            }
        }
    };
}

formats! {
    /// The page for people
    Text = "text", ".txt", |report, view: &View| text::render(report, view.style).into_bytes();
    /// One JSON object
    Json = "json", ".json", |report, view: &View| json::to_string(report, view.layout).into_bytes();
    /// One page for a browser, to send or to keep
    Html = "html", ".html", |report, _| html::render(report).into_bytes();
    /// Each row as one JSON object a line, and the report last
    Lines = "jsonl", ".jsonl", |report, _| lines::write(report).into_bytes();
    /// A summary for an issue or a pull request
    Markdown = "markdown", ".md", |report, _| markdown::write(report).into_bytes();
    /// A flame graph
    FlameGraph = "flamegraph", ".svg", |report, view: &View| flame::write(report, view.of);
    /// Collapsed stacks
    Collapsed = "collapsed", ".collapsed", |report, view: &View| collapsed::write(report, view.of).into_bytes();
    /// For speedscope
    Speedscope = "speedscope", ".speedscope.json", |report, _| speedscope::write(report);
    /// For pprof and what reads its files
    Pprof = "pprof", ".pb.gz", |report, _| pprof::write(report);
    /// For Perfetto: processes, zombies, forks and signals in time
    Perfetto = "perfetto", ".pftrace", |report, _| perfetto::write(report);
}

impl Format {
    /// The format that a file's name asks for: that of the longest ending.
    #[must_use]
    pub fn from_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let ends = |format: &&Self| name.len() > format.ending().len() && name.ends_with(format.ending());
        Self::ALL.iter().filter(ends).max_by_key(|format| format.ending().len()).copied()
    }
}

/// By its name, or by the ending of its files.
impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_it = |format: &&Self| format.name() == text || format.ending().strip_prefix('.') == Some(text);
        let known = || Self::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ");
        Self::ALL.iter().find(is_it).copied().ok_or_else(|| format!("there are {}", known()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_known_by_its_name_and_by_its_ending() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(*format));
            assert_eq!(format.ending()[1..].parse(), Ok(*format));
            assert_eq!(Format::from_path(Path::new(&format!("a{}", format.ending()))), Some(*format));
        }
        assert_eq!(Format::from_path(Path::new("a/.svg")), None, "a name that is an ending");
        assert!("heat".parse::<Format>().unwrap_err().starts_with("there are text, json"));
    }
}
